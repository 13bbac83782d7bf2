"""What a reader should know of how a bank is measured, in words."""

from __future__ import annotations

from carviz.ablation.plan import GraphPlan, HookPlan, Plan
from carviz.banks import Network


def remark_on(network: Network, layer: str, plan: Plan, reasons: list[str]) -> str:
    """Return what a reader should know of how a bank is measured; "" for nothing.

    Parameters
    ----------
    reasons
        Why faster plans were not taken, if they were not.
    """
    known = [*network.remarks, *_relations(network, layer)]
    if plan.pick.words:
        known.append(f"The logits are {plan.pick.words}.")
    if isinstance(plan, GraphPlan):
        return " ".join(known)
    reason = next((r for r in reasons if r), "").splitlines()[:1]
    how = "the numbers are as exact, only slower."
    if isinstance(plan, HookPlan):
        known.append(
            f"torch.fx could not be used on this network ({''.join(reason)}), so the whole "
            f"network runs once per filter; {how}"
        )
    else:
        known.append(
            "Neither torch.fx nor forward hooks do what the network does without a filter "
            f"({'; '.join(r.splitlines()[0] for r in reasons if r)}), so it runs as it is, one "
            f"filter at a time; {how}"
        )
    return " ".join(known)


def _relations(network: Network, layer: str) -> list[str]:
    """Return what else the bank's filters have a part in, and go on doing."""
    found = [
        f"{layer!r} is a branch of the sum {total.name!r}; only this branch is removed."
        for total in network.sums().values()
        if layer in total.convolutions and layer != total.name
    ]
    graph = network.graph
    if graph is not None and any(
        node.op == "get_attr" and node.target == f"{layer}.weight" for node in graph.graph.nodes
    ):
        found.append(
            f"The weight of {layer!r} is also used by a function of the forward pass, "
            "which goes on using it."
        )
    return found

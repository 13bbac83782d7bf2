"""Measure timm's families of convolutional networks, and judge each by a loop of hooks.

`make neighbours` (it wants `pip install timm`): small images, woken weights, the first, a middle
and the last bank of each network, eight filters. Where a bank's filter becomes zero is found by a
rule of its own: the module with running statistics that alone reads the convolution, else the
convolution itself. Each network runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from support.reference import baseline, reference_logits
from support.woken import smooth_images
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

NAMES = """
resnet10t resnet18d resnetblur18 resnext26ts seresnext26ts ecaresnext26ts gcresnext26ts
bat_resnext26ts resnetv2_18 resnetv2_50x1_bit resnetv2_34d regnetx_002 regnety_002 regnetz_005
efficientnet_lite0 efficientnet_b0 tf_efficientnetv2_b0 efficientnet_es mobilenetv2_035
mobilenetv3_small_050 mobilenetv4_conv_small_035 mobilenetv1_100 mnasnet_small ghostnet_050
ghostnetv2_100 hardcorenas_a tinynet_e mixnet_s densenet121 dla34 dla46_c dpn48b inception_v3
inception_v4 inception_resnet_v2 xception41 legacy_xception nf_resnet26 nf_regnet_b0 dm_nfnet_f0
eca_nfnet_l0 vovnet39a ese_vovnet19b_slim_dw res2net50_26w_4s resnest14d skresnet18 selecsls42
hrnet_w18_small repvgg_a0 mobileone_s0 fastvit_t8 repghostnet_050 convnext_atto convnextv2_atto
inception_next_atto convmixer_768_32 cspresnet50 cspdarknet53 darknet17 darknetaa53 gernet_s
rexnet_100 rexnetr_100 tresnet_m edgenext_xx_small efficientformer_l1 efficientformerv2_s0
mobilevit_xxs mobilevitv2_050 coatnet_pico_rw_224 levit_128s starnet_s1 focalnet_tiny_srf
poolformer_s12 visformer_tiny hgnet_tiny hgnetv2_b0 fbnetc_100 lcnet_035 efficientvit_b0
semnasnet_075 spnasnet_100 repvit_m0_9 lambda_resnet26t halonet26t botnet26t_256 nextvit_small
vgg11_bn test_resnet test_convnext test_efficientnet test_byobnet csatv2 mambaout_femto
"""
NETWORKS = NAMES.split()
FILTERS, IMAGES, CLASSES = 8, 4, 10
SECONDS = 120


class _Readers(TorchFunctionMode):
    """Count the functions outside normalisations that read a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.output: Tensor | None = None
        self.others, self.inside = 0, 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        name = (
            getattr(getattr(func, "__self__", None), "__name__", "") if name == "__get__" else name
        )
        if (
            self.output is not None
            and not self.inside
            and name not in ("shape", "ndim", "dim", "size")
        ):
            self.others += any(v is self.output for v in tree_leaves((args, kwargs)))
        return func(*args, **(kwargs or {}))


def site_of(model: nn.Module, bank: str, images: Tensor) -> str:
    """Return the module at whose output a bank's channels are zero."""
    readers, norms, calls = _Readers(), [], []

    def called(_module: nn.Module, _args: Any, output: Tensor) -> None:
        calls.append(output)
        readers.output = output

    def enter(module: nn.Module, args: Any) -> None:
        if args and args[0] is readers.output:
            norms.append(module)
        readers.inside += 1

    def leave(*_: Any) -> None:
        readers.inside -= 1

    hooks = [model.get_submodule(bank).register_forward_hook(called)]
    for module in model.modules():
        if getattr(module, "running_mean", None) is not None:
            hooks += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    with torch.inference_mode(), readers:
        model(images)
    for hook in hooks:
        hook.remove()
    alone = len(norms) == len(calls) == 1 and not readers.others
    return next(n for n, m in model.named_modules() if m is norms[0]) if alone else bank


def wake(model: nn.Module, images: Tensor) -> None:
    """Give normalisations statistics of the images, shifted, and spread the last layer."""
    generator = torch.Generator().manual_seed(0)
    last: list[nn.Module] = []

    def noise(like: Tensor, scale: float) -> Tensor:
        return torch.randn(like.shape, generator=generator) * scale

    def settle(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        axes = [a for a in range(inputs[0].ndim) if a != 1]
        std, mean = torch.std_mean(inputs[0], axes)
        module.running_mean.copy_(mean + std * noise(mean, 0.3))
        module.running_var.copy_(std.clamp_min(0.1 * float(std.median()) + 1e-6) ** 2)

    hooks = []
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "gamma" in name or "layer_scale" in name or name.endswith("skipinit_gain"):
                parameter.fill_(0.7)
        for module in model.modules():
            if getattr(module, "running_mean", None) is not None:
                if getattr(module, "weight", None) is not None:
                    module.weight.copy_(noise(module.weight, 0.2).exp())
                    module.bias.copy_(noise(module.bias, 0.3) + 0.5)
                hooks.append(module.register_forward_pre_hook(settle))
            if isinstance(module, nn.Linear | nn.Conv2d):
                hooks.append(module.register_forward_hook(lambda m, _i, _o: last.append(m)))
        model(images)
        for hook in hooks:
            hook.remove()
        head = last[-1]
        std, mean = torch.std_mean(model(images), 0)
        if isinstance(head, nn.Linear) and head.out_features == CLASSES and head.bias is not None:
            scale = 2 / std.clamp_min(1e-6)
            head.weight.mul_(scale[:, None])
            head.bias.sub_(mean).mul_(scale)


def judge(name: str) -> list[dict[str, Any]]:
    """Return a row for each bank of a network that was tried."""
    import timm

    import carviz

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False, num_classes=CLASSES).eval()
    size = model.default_cfg["input_size"][1]
    images = None
    for side in (64, 96, 128, size):  # the smallest that the network takes
        images = smooth_images(IMAGES, side)
        try:
            with torch.no_grad():
                model(images)
            break
        except Exception:
            continue
    assert images is not None
    wake(model, images)
    targets = baseline(model, images).argmax(1)
    banks = carviz.list_banks(model)
    banks = banks[~banks.gate]
    layers = banks.layer.tolist()
    tried = [layers[0], layers[len(layers) // 2], layers[-1]]
    tried += [layer for layer in layers if " + " in layer][:1]
    return [_row(name, model, images, targets, layer) for layer in dict.fromkeys(tried)]


def _row(
    name: str, model: nn.Module, images: Tensor, targets: Tensor, layer: str
) -> dict[str, Any]:
    import carviz

    row: dict[str, Any] = {"network": name, "bank": layer, "side": images.shape[2]}
    filters = list(range(FILTERS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        begun = time.perf_counter()
        try:
            table = carviz.measure_car(
                model, (images, targets), layer, filters=filters, progress=False
            )
        except Exception as error:
            return {**row, "engine": "refused", "why": f"{type(error).__name__}: {error}"}
    row |= {
        "seconds": time.perf_counter() - begun,
        "engine": table.passport["engine"],
        "why": table.passport["remark"],
        "audit": table.passport["audit"]["found"],
    }
    if " + " in layer:
        return {**row, "exact": "not judged"}
    site = site_of(model, layer, images)
    begun = time.perf_counter()
    expected = reference_logits(model, images, site, filters)
    row["loop"] = time.perf_counter() - begun
    whole = baseline(model, images)
    best = expected.topk(2, -1)
    sure = best.values[..., 0] - best.values[..., 1] > 1e-4 * expected.abs().amax(-1)
    wrong = (torch.as_tensor(table.predictions.copy()) != best.indices[..., 0]) & sure
    before, after = (
        logits.double().log_softmax(-1)[..., torch.arange(IMAGES), targets]
        for logits in (whole, expected)
    )
    there = targets.unique()
    drop = torch.stack([(before - after)[:, targets == c].mean(1) for c in there], 1)
    off = (torch.as_tensor(table.log_prob_drop[:, there.numpy()].copy()) - drop).abs().max()
    allowed = 1e-3 * float((expected - whole).abs().max()) + 1e-4 * float(whole.abs().max())
    exact = not wrong.any() and float(off) <= allowed
    return {**row, "site": site, "off": float(off), "exact": "yes" if exact else "NO"}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", action="store_true", help="print the rows of one network as JSON")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(judge(arguments.networks[0])))
        return
    rows = []
    for name in arguments.networks:
        command = [sys.executable, __file__, "--one", name]
        try:
            out = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
            found = json.loads(out.stdout.splitlines()[-1])
        except subprocess.TimeoutExpired:
            found = [{"network": name, "bank": "", "engine": "too long", "why": ""}]
        except (IndexError, ValueError):
            why = out.stderr.strip().splitlines()[-1:] or [""]
            found = [{"network": name, "bank": "", "engine": "not made", "why": why[0]}]
        for row in found:
            ratio = f"{row['loop'] / row['seconds']:5.1f} x" if "loop" in row else " " * 7
            print(
                f"{row['network']:28} {row['bank'][:44]:44} {row['engine']:9} "
                f"{row.get('exact', ''):10} {ratio} {row['why'][:110]}",
                flush=True,
            )
        rows += found
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))
    counts: dict[str, int] = {}
    for row in rows:
        key = f"{row['engine']}, exact: {row.get('exact', 'not judged')}"
        counts[key] = counts.get(key, 0) + 1
    print(f"{len({r['network'] for r in rows})} networks, {len(rows)} banks: {counts}")


if __name__ == "__main__":
    main()

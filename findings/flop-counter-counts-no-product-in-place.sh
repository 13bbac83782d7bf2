#!/usr/bin/env bash
# torch.utils.flop_counter.FlopCounterMode counts addmm and baddbmm, also with out=, but nothing for
# the same products in place, addmm_ and baddbmm_, nor for matrix by vector. Code that was rewritten
# to work in place, to save memory, so costs nothing by this counter, and a comparison by it of two
# ways to compute the same thing is wrong without a word.
#
# Versions: torch 2.14.1, Python 3.11, on a CPU.
# Seen: 420 for addmm and addmm(out=), 0 for addmm_; 1680 for baddbmm and baddbmm(out=), 0 for
# baddbmm_; 0 for a product of a matrix and a vector of 60 operations.
# Expected: the same count for the same product.
# carviz: subtracts a channel's share by baddbmm(out=), which its cost plan counts
# (carviz/ablation/shares.py); tests/ablation/test_costs.py counts it by hand.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.14.1 numpy
cat > "$folder/seen.py" <<'PY'
import torch
from torch.utils.flop_counter import FlopCounterMode

a, b = torch.ones(4, 5, 6), torch.ones(4, 6, 7)
total, room = torch.zeros(4, 5, 7), torch.empty(4, 5, 7)
products = {
    "addmm": lambda: torch.addmm(total[0], a[0], b[0]),
    "addmm(out=)": lambda: torch.addmm(total[0], a[0], b[0], out=room[0]),
    "addmm_": lambda: total[0].clone().addmm_(a[0], b[0]),
    "baddbmm": lambda: torch.baddbmm(total, a, b),
    "baddbmm(out=)": lambda: torch.baddbmm(total, a, b, out=room),
    "baddbmm_": lambda: total.clone().baddbmm_(a, b),
    "matrix by vector": lambda: a[0] @ torch.ones(6),
}
seen = {}
for name, product in products.items():
    with FlopCounterMode(display=False) as counter:
        product()
    seen[name] = counter.get_total_flops()
    print(f"{name:>17}: {seen[name]}")
assert list(seen.values()) == [420, 420, 0, 1680, 1680, 0, 0], "the counter counts otherwise now"
PY
"$folder/venv/bin/python" "$folder/seen.py"

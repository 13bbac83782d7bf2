#!/usr/bin/env bash
# Module.to_empty(device="cpu") of a module made on the meta device asks torch's Python reference for
# empty_like. That imports torch.fx.experimental.symbolic_shapes, and with it SymPy: 35 MiB for a call
# that allocates memory. Tensors made one by one by torch.empty take none. Where memory is scarce (a
# notebook on Binder) this is more than a small network itself.
#
# Versions: torch 2.14.1, Python 3.11, on a CPU, Linux.
# Seen: sympy is not loaded after `import torch`, and is after to_empty; the process grows by 35 MiB.
# Expected: no module of symbolic shapes for an eager call.
# carviz: makes the tensors of its bundled networks itself (carviz/zoo/bundled.py, `empty`); a test in
# tests/test_house.py holds that opening an explorer loads no SymPy.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.14.1 numpy
cat > "$folder/seen.py" <<'PY'
import sys
from pathlib import Path

import torch
from torch import nn


def held() -> float:
    """Return the MiB that this process holds."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def loaded() -> bool:
    return "sympy" in sys.modules


with torch.device("meta"):
    by_hand, by_torch = nn.Linear(4, 4), nn.Linear(4, 4)
at_first = loaded()
start = held()
for name, weight in list(by_hand.named_parameters()):
    setattr(by_hand, name, nn.Parameter(torch.empty(weight.shape)))
after_hand, grown_by_hand = loaded(), held() - start
start = held()
by_torch.to_empty(device="cpu")
after_torch, grown_by_torch = loaded(), held() - start
print(f"SymPy loaded: {at_first}; after torch.empty: {after_hand}; after to_empty: {after_torch}")
print(f"MiB more: {grown_by_hand:.1f} by torch.empty, {grown_by_torch:.1f} by to_empty")
assert (at_first, after_hand, after_torch) == (False, False, True), "another load, now"
assert grown_by_hand < 5 < 20 < grown_by_torch, "another size, now"
PY
"$folder/venv/bin/python" "$folder/seen.py"

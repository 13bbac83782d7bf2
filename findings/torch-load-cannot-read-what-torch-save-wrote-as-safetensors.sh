#!/usr/bin/env bash
# torch.save writes its own format under any name; torch.load takes a path that ends in .safetensors
# for a safetensors file, by the name alone. So a checkpoint that torch.save wrote as
# weights.safetensors, as scripts do that only changed the ending, is not read back by torch.load:
# it is told to have too large a header. The same bytes under another name, or through an open file,
# load. The other way round, a real safetensors file under another name is told to be no valid file.
#
# Versions: torch 2.14.1, safetensors 0.8.0, Python 3.11, on a CPU.
# Seen: SafetensorError "header too large" for the path, the same state dict for the open file, and
# an UnpicklingError for a safetensors file called weights.pth.
# Expected: that torch.load reads what torch.save wrote, as it did before names counted.
# carviz: tells files of weights by their content (carviz/zoo/saved_weights.py), and has tests of it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.14.1 safetensors==0.8.0 packaging numpy
cat > "$folder/seen.py" <<'PY'
import pickle
import sys
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

folder = Path(sys.argv[1])
state = {"weight": torch.arange(6.0).view(2, 3)}

path = folder / "weights.safetensors"
torch.save(state, path)
try:
    torch.load(path)
except SafetensorError as error:
    print("torch.save, then torch.load of weights.safetensors:", error)
    assert "header" in str(error).lower()
else:
    raise AssertionError("torch.load reads what torch.save wrote")
with path.open("rb") as file:
    assert torch.equal(torch.load(file)["weight"], state["weight"]), "an open file differs as well"
print("the same file, opened: loads")

other = folder / "weights.pth"
save_file(state, other)
try:
    torch.load(other)
except (pickle.UnpicklingError, RuntimeError) as error:
    print("a safetensors file called weights.pth:", str(error).splitlines()[0][:90])
else:
    raise AssertionError("torch.load tells a safetensors file by its content")
PY
"$folder/venv/bin/python" "$folder/seen.py" "$folder"

#!/usr/bin/env bash
# torch.nn.utils.fusion.fuse_conv_bn_eval takes a batch normalisation of timm that has its activation
# inside (BatchNormAct2d, a subclass of BatchNorm2d, in most of timm's networks), folds the
# normalisation, and leaves the activation out: no error, no warning, other numbers.
#
# Versions: torch 2.14.1, timm 1.0.31, Python 3.11, on a CPU.
# Seen: the unit's smallest output is 0 (a ReLU is inside); that of the fused convolution is -2.04;
# a ReLU put behind the fused convolution makes the two equal.
# Expected by its name and signature (conv, bn): the same outputs, or a refusal.
# carviz: folds exactly torch's own BatchNorm2d, takes normalisations with an activation apart
# (carviz/ablation/tidy.py, carviz/banks/batch_norms.py), and has tests of both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.14.1 torchvision==0.29.1 timm==1.0.31
cat > "$folder/seen.py" <<'PY'
import warnings

import torch
from timm.layers import BatchNormAct2d
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

warnings.simplefilter("error")
torch.manual_seed(0)
conv, norm = nn.Conv2d(3, 4, 3).eval(), BatchNormAct2d(4).eval()
images = torch.randn(2, 3, 8, 8)
with torch.no_grad():
    norm.running_mean.normal_()
    own, fused = norm(conv(images)), fuse_conv_bn_eval(conv, norm)(images)
print(f"smallest output: {own.min():.2f} of the unit, {fused.min():.2f} fused")
assert own.min() == 0, "there is no activation inside any more"
assert fused.min() < -0.1, "the activation is no longer dropped"
assert torch.allclose(own, fused.relu(), atol=1e-5), "something else differs as well"
PY
"$folder/venv/bin/python" "$folder/seen.py"

"""What cannot be measured is refused, naming the first image at fault."""

import pytest
import torch

from carviz.evaluate import check_labels


def test_a_label_outside_the_logits_names_its_image():
    check_labels(torch.tensor([0, 4]), 5, [8, 9])
    with pytest.raises(ValueError, match=r"5 logits, 0 to 4; image 9 has label 5\."):
        check_labels(torch.tensor([0, 5]), 5, [8, 9])

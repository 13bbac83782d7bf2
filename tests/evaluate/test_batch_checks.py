"""What cannot be measured is refused, naming the first image at fault."""

import numpy as np
import pytest
import torch

from carviz.evaluate import Images, check_labels


def test_a_label_outside_the_logits_names_its_image():
    check_labels(torch.tensor([0, 4]), 5, [8, 9])
    with pytest.raises(ValueError, match=r"5 logits, 0 to 4; image 9 has label 5\."):
        check_labels(torch.tensor([0, 5]), 5, [8, 9])


PIXELS = np.random.default_rng(0).random((4, 1, 2, 2)).astype(np.float32)
NUMBERS = np.array([0, 1, 2, 1])

TAKEN = {
    "of another order of bytes": (PIXELS.astype(">f4"), NUMBERS.astype(">i2")),
    "read backwards": (PIXELS[:, :, ::-1][:, :, ::-1], NUMBERS[::-1][::-1]),
    "masked nowhere": (PIXELS, np.ma.array(NUMBERS, mask=[0, 0, 0, 0])),
}


@pytest.mark.parametrize("pair", TAKEN.values(), ids=TAKEN.keys())
def test_every_array_of_numbers_is_taken(pair):
    images, labels = Images(pair).read(range(4))
    np.testing.assert_array_equal(images.numpy(), PIXELS)
    assert labels.tolist() == NUMBERS.tolist()


REFUSED = {
    "text": (PIXELS, NUMBERS.astype(str), TypeError, "found labels of str"),
    "objects": (PIXELS.astype(object), NUMBERS, TypeError, "found images of object"),
    "a mask": (PIXELS, np.ma.array(NUMBERS, mask=[0, 1, 0, 0]), ValueError, "masked labels"),
    "sparse": (
        torch.tensor(PIXELS).to_sparse(),
        torch.tensor(NUMBERS),
        TypeError,
        "sparse or nested",
    ),
    "meta": (torch.tensor(PIXELS).to("meta"), torch.tensor(NUMBERS), TypeError, "meta device"),
    "one number": (torch.tensor(PIXELS), torch.tensor(1), ValueError, "4 images and 1 labels"),
    "another number": (PIXELS, NUMBERS[:3], ValueError, "4 images and 3 labels"),
}


@pytest.mark.parametrize(
    ("images", "labels", "kind", "words"), REFUSED.values(), ids=REFUSED.keys()
)
def test_what_is_no_array_of_numbers_is_refused_in_words(images, labels, kind, words):
    with pytest.raises(kind, match=words):
        Images((images, labels))

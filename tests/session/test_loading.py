"""Names, folders and objects become a model and images."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import carviz
from carviz.session import loading
from carviz.session.subject import open_subject


def test_names_and_folders(tmp_path):
    model = carviz.load_model("shapes")
    picture = (255 * carviz.load_data("shapes", limit=1).picture(0)).astype(np.uint8)
    for name in ("circle", "red"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.fromarray(picture).save(tmp_path / "photos" / name / "1.png")
    subject = open_subject("shapes", tmp_path / "photos", "cpu", None)
    assert (subject.model_name, subject.data_name, len(subject.images)) == ("shapes", "photos", 2)
    assert subject.images.classes == model.classes
    assert open_subject(model, None, None, None).data_name == "shapes"


def test_a_network_of_one_logit_fits_two_classes():
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                            nn.Linear(2, 1), nn.Sigmoid())  # fmt: skip
    images, silent = torch.rand(8, 3, 8, 8), lambda what: lambda share: None
    loaded = loading.load(network, (images, torch.arange(8) % 2), None, silent)
    loading.check_fit(loaded)
    with pytest.raises(ValueError, match="tells 2 apart, and given tensors has label 2"):
        loading.check_fit(loading.load(network, (images, torch.arange(8) % 3), None, silent))

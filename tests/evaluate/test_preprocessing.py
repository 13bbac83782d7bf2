"""Mean and std are found where people put them."""

import pytest
import torch
from support.transformed import with_transform
from torch import nn
from torch.utils.data import ConcatDataset, DataLoader, Subset

from carviz.evaluate import find_normalization

MEAN, STD = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)


def test_where_they_are_found():
    from torchvision import transforms as T
    from torchvision.models import AlexNet_Weights

    normalize = T.Normalize(MEAN, STD)
    nested = T.Compose([T.Resize(8), T.Compose([T.ToTensor(), normalize])])
    data = with_transform(nested)
    for source in (data, DataLoader(data), DataLoader(Subset(data, [0]))):
        found = find_normalization(source)
        assert (found.mean, found.std) == (MEAN, STD)
        assert "Normalize" in found.source
    preset = with_transform(AlexNet_Weights.DEFAULT.transforms())
    assert find_normalization(preset).std == (0.229, 0.224, 0.225)
    data.mean, data.std = (0, 0, 0), (1, 1, 1)
    assert find_normalization(data).std == (1, 1, 1)  # the data's own word goes first
    assert find_normalization(data, normalize=(MEAN, STD)).mean == MEAN
    model = nn.Conv2d(3, 3, 1)
    assert find_normalization((torch.zeros(1), torch.zeros(1)), model) is None
    model.normalize = (MEAN, STD)
    assert find_normalization(None, model).mean == MEAN


def test_two_normalizations_are_none():
    from torchvision import transforms as T

    twice = T.Compose([T.Normalize(MEAN, STD), T.Normalize(MEAN, STD)])
    assert find_normalization(with_transform(twice)) is None


def test_chained_data_has_one_where_its_parts_agree():
    from torchvision import transforms as T

    part, other = with_transform(T.Normalize(MEAN, STD)), with_transform(T.Normalize(STD, STD))
    assert find_normalization(DataLoader(ConcatDataset([part, Subset(part, [0])]))).mean == MEAN
    model = nn.Conv2d(3, 3, 1)
    model.normalize = (MEAN, STD)
    assert find_normalization(ConcatDataset([part, other]), model) is None


@pytest.mark.parametrize(
    "normalize", [(MEAN, (0.1, 0, 0.1)), (MEAN, STD[:2]), MEAN, (MEAN, None), (MEAN, "abc")]
)
def test_nonsense_is_refused(normalize):
    with pytest.raises(ValueError, match="normalize is"):
        find_normalization(normalize=normalize)


def test_raw_pictures_come_back():
    found = find_normalization(normalize=(MEAN, STD))
    raw = torch.rand(2, 3, 4, 4)
    shape = (3, 1, 1)
    network_sees = (raw - torch.tensor(MEAN).view(shape)) / torch.tensor(STD).view(shape)
    torch.testing.assert_close(found.to_rgb(network_sees), raw)

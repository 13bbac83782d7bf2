"""What open_session takes and refuses, as explore does; saved tables are shown."""

import dataclasses
import threading

import numpy as np
import pytest
import torch
from support.gated import data, network
from support.results_examples import pruning_path, selectivity_table
from support.waiting import WAIT
from torch import nn

import carviz
from carviz import open_session
from carviz.session.loading import IMAGES_A_CLASS


def test_nothing_given_is_the_bundled_network_on_stratified_images():
    session = open_session()
    assert session.layer == "features.0"
    assert session.table is None
    subject = session.subject
    assert (subject.model_name, subject.data_name) == ("shapes", "shapes")
    counts = np.bincount(subject.images.hints)
    assert counts.min() == counts.max() == IMAGES_A_CLASS
    assert [bank.layer for bank in subject.banks()] == [bank.layer for bank in session.banks]


def test_a_name_and_a_folder(named, photos):
    shown = open_session("small", str(photos)).snapshot()
    assert (shown.model, shown.data, len(shown.images)) == ("small", "photos", 30)
    assert named == [threading.main_thread()]


@pytest.mark.parametrize("begin", [open_session, carviz.explore])
@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((3, None), TypeError, "found int"),
        (("shape", None), ValueError, "Nearest: shapes"),
        (("shapes", "no/such/folder"), FileNotFoundError, "no folder"),
        ((nn.Conv2d(3, 2, 1), None), ValueError, "Give data"),
        ((None, 3), TypeError, "data is a map-style"),
    ],
)
def test_what_cannot_be_explored_is_refused_at_once(begin, arguments, error, words):
    with pytest.raises(error, match=words):
        begin(*arguments)


@pytest.mark.parametrize("begin", [open_session, carviz.explore])
def test_more_that_is_refused(begin):
    with pytest.raises(TypeError, match=r"carviz\.Run or None"):
        begin(network(), data(), run="fast")
    with pytest.raises(ValueError, match="Nearest"):
        begin(network(), data(), layer="frist")
    with pytest.raises(ValueError, match="has none"):
        begin(nn.Sequential(nn.Flatten(), nn.Linear(192, 5)), data())


def test_layer_may_be_the_module_s_name_or_the_module_itself():
    model = network()
    assert open_session(model, data(), layer="third", device="cpu").layer == "third"
    assert open_session(model, data(), layer=model.second).layer == "second"


class GatedBank(nn.Module):
    """A squeeze-and-excite gate between two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.squeeze = nn.Conv2d(4, 4, 1)
        self.last = nn.Linear(4, 5)

    def forward(self, images):
        maps = torch.relu(self.stem(images))
        gate = torch.sigmoid(self.squeeze(maps.mean((2, 3), keepdim=True)))
        return self.last((maps * gate).mean((2, 3)))


def test_gates_are_left_out_unless_asked_for():
    def offered(**more):
        session = open_session(GatedBank().eval(), data(), **more)
        return [bank.layer for bank in session.banks], session.layer

    banks = carviz.list_banks(GatedBank()).set_index("layer").gate
    assert banks.to_dict() == {"stem": False, "squeeze": True}
    assert offered() == (["stem"], "stem")
    with pytest.raises(ValueError, match="is a gate"):
        open_session(GatedBank().eval(), data()).layer = "squeeze"
    assert offered(layer="squeeze") == (["stem", "squeeze"], "squeeze")


def test_saved_tables_are_shown_without_computing(tmp_path):
    model = network()
    for layer in ("second", "third"):
        carviz.measure_car(model, data(), layer, progress=False).save(tmp_path / f"{layer}.npz")
    carviz.measure_selectivity(model, "first", data=data(), threshold=0.1).save(
        tmp_path / "kinds.npz"
    )
    session = open_session(model, data(), tables=tmp_path)
    assert session.layer == "second"
    assert session.table.complete
    assert not session.busy
    assert "4 filters measured on 80 images" in session.status
    session.layer = "third"
    assert session.table == carviz.CarTable.load(tmp_path / "third.npz")
    session.layer = "first"
    assert session.table is None
    session.compute("filter")
    session.wait(WAIT)
    assert session.selectivity.threshold == 0.1, "told apart by images already: not again"


def test_saved_tables_of_a_deep_bank_need_no_new_reading(tmp_path):
    carviz.measure_car(network(), data(), "second", progress=False).save(tmp_path / "a.npz")
    kinds = carviz.measure_selectivity(network(), "second", data=data(), threshold=0.1)
    kinds.save(tmp_path / "b.npz")
    session = open_session(network(), data(), tables=tmp_path)
    assert session.layer == "second"
    session.look()
    session.settle(WAIT)
    assert session.selectivity.threshold == 0.1
    assert len(session.snapshot().seen.best) == 4, "patches say more than a deep bank's weights"
    assert len(session.snapshot().seen.weights) == 1, "no other is asked for"


def test_files_that_are_no_tables_are_left_out_and_named(tmp_path):
    model = network()
    table = carviz.measure_car(model, data(), "second", progress=False)
    table.save(tmp_path / "good.npz")
    passport = dict(table.passport)
    dataclasses.replace(table, layer="elsewhere").save(tmp_path / "nowhere.npz")
    dataclasses.replace(table, filters=table.filters + 100).save(tmp_path / "beyond.npz")
    dataclasses.replace(selectivity_table(), layer="third", passport=passport).save(
        tmp_path / "narrow.npz"
    )
    pruning_path().save(tmp_path / "path.npz")
    carviz.measure_car(model, data(), "second", value="mean", progress=False).save(
        tmp_path / "mean.npz"
    )
    (tmp_path / "half.npz").write_bytes((tmp_path / "good.npz").read_bytes()[:-50])
    (tmp_path / "folder.npz").mkdir()
    with pytest.warns(UserWarning, match="Left out of the tables") as caught:
        session = open_session(model, data(), tables=tmp_path)
    said = str(caught[0].message)
    for name in ("nowhere", "beyond", "narrow", "path", "half", "folder", "mean"):
        assert f"{name}.npz" in said
    assert "'second' has 4 filters; the table tells of filter 103" in said
    assert "mean.npz: a filter's place has its mean in it, where zero is shown" in said
    assert "good.npz" not in said
    assert session.table == table
    session.layer = "third"
    assert session.selectivity is None
    assert session.snapshot().tables == ()


def test_tables_of_another_model_are_refused_by_name(tmp_path):
    carviz.measure_car(network(1), data(), "first", progress=False).save(tmp_path / "mine.npz")
    with pytest.raises(ValueError, match=r"mine\.npz is of another one"):
        open_session(network(2), data(), tables=tmp_path)


def test_folders_without_tables_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds none"):
        open_session(network(), data(), tables=tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no"):
        open_session(network(), data(), tables=tmp_path / "nowhere")
    (tmp_path / "broken.npz").write_bytes(b"no table")
    with pytest.raises(ValueError, match=r"broken\.npz"):
        open_session(network(), data(), tables=tmp_path)

"""What explore() takes and refuses; saved tables; which cell made which explorer."""

import dataclasses

import numpy as np
import pytest
import torch
from support.gated import data, network
from support.results_examples import pruning_path, selectivity_table
from torch import nn

import carviz
from carviz.explorer import explore
from carviz.explorer.cells import enter, retire_former, running_cell
from carviz.session.loading import IMAGES_A_CLASS
from carviz.session.subject import open_subject


def test_nothing_given_is_the_bundled_network_on_stratified_images():
    explorer = explore()
    assert explorer.layer == "features.0"
    assert explorer.table is None
    subject = explorer.session.subject
    assert (subject.model_name, subject.data_name) == ("shapes", "shapes")
    counts = np.bincount(subject.images.hints)
    assert counts.min() == counts.max() == IMAGES_A_CLASS
    assert [bank.layer for bank in subject.banks()] == [
        value for _, value in explorer.panels.layer.options
    ]
    assert "<b>shapes</b>" in explorer.panels.header.value
    assert explorer.panels.gallery.sprite.startswith(b"\x89PNG")


def test_names_and_folders(tmp_path):
    model = carviz.load_model("shapes")
    picture = (255 * carviz.load_data("shapes", limit=1).picture(0)).astype(np.uint8)
    from PIL import Image

    for name in ("circle", "red"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.fromarray(picture).save(tmp_path / "photos" / name / "1.png")
    subject = open_subject("shapes", tmp_path / "photos", "cpu", None)
    assert (subject.model_name, subject.data_name, len(subject.images)) == ("shapes", "photos", 2)
    assert subject.images.classes == model.classes
    assert open_subject(model, None, None, None).data_name == "shapes"


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
def test_what_cannot_be_explored_is_refused_at_once(arguments, error, words):
    with pytest.raises(error, match=words):
        explore(*arguments)


def test_more_that_is_refused():
    with pytest.raises(TypeError, match=r"carviz\.Run or None"):
        explore(network(), data(), run="fast")
    with pytest.raises(ValueError, match="Nearest"):
        explore(network(), data(), layer="frist")
    with pytest.raises(ValueError, match="has none"):
        explore(nn.Sequential(nn.Flatten(), nn.Linear(192, 5)), data())


def test_layer_may_be_the_module_s_name_and_device_is_shown():
    explorer = explore(network(), data(), layer="third", device="cpu")
    assert explorer.layer == "third"
    assert explorer.panels.layer.value == "third"
    assert "on <b>cpu</b>" in explorer.panels.header.value
    shown = [type(c).__name__ for c in explorer.panels.controls.children]
    if not torch.cuda.is_available():
        assert shown == ["Dropdown", *4 * ["Button"]], "one device: no choice"


def test_layer_may_be_the_module_itself():
    model = network()
    assert explore(model, data(), layer=model.second).layer == "second"


class Gate(nn.Module):
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
        explorer = explore(Gate().eval(), data(), **more)
        return [value for _, value in explorer.panels.layer.options], explorer.layer

    banks = carviz.list_banks(Gate()).set_index("layer").gate
    assert banks.to_dict() == {"stem": False, "squeeze": True}
    assert offered() == (["stem"], "stem")
    with pytest.raises(ValueError, match="is a gate"):
        explore(Gate().eval(), data()).layer = "squeeze"
    assert offered(layer="squeeze") == (["stem", "squeeze"], "squeeze")


def test_saved_tables_are_shown_without_computing(tmp_path):
    model = network()
    for layer in ("second", "third"):
        carviz.measure_car(model, data(), layer, progress=False).save(tmp_path / f"{layer}.npz")
    carviz.measure_selectivity(model, "first", data=data()).save(tmp_path / "kinds.npz")
    explorer = explore(model, data(), tables=tmp_path)
    assert explorer.layer == "second"
    assert explorer.table.complete
    assert not explorer.busy
    assert "4 filters measured on 80 images" in explorer.status
    assert "CAR" in explorer.panels.panel.value
    explorer.layer = "third"
    assert explorer.table == carviz.CarTable.load(tmp_path / "third.npz")
    explorer.layer = "first"
    assert explorer.table is None
    assert "first" in explorer._findings.judged


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
    (tmp_path / "half.npz").write_bytes((tmp_path / "good.npz").read_bytes()[:-50])
    (tmp_path / "folder.npz").mkdir()
    with pytest.warns(UserWarning, match="Left out of the tables") as caught:
        explorer = explore(model, data(), tables=tmp_path)
    said = str(caught[0].message)
    for name in ("nowhere", "beyond", "narrow", "path", "half", "folder"):
        assert f"{name}.npz" in said
    assert "'second' has 4 filters; the table tells of filter 103" in said
    assert "good.npz" not in said
    assert explorer.table == table
    assert not explorer._findings.judged


def test_tables_of_another_model_are_refused_by_name(tmp_path):
    carviz.measure_car(network(1), data(), "first", progress=False).save(tmp_path / "mine.npz")
    with pytest.raises(ValueError, match=r"mine\.npz is of another one"):
        explore(network(2), data(), tables=tmp_path)


def test_folders_without_tables_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds none"):
        explore(network(), data(), tables=tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no"):
        explore(network(), data(), tables=tmp_path / "nowhere")
    (tmp_path / "broken.npz").write_bytes(b"no table")
    with pytest.raises(ValueError, match=r"broken\.npz"):
        explore(network(), data(), tables=tmp_path)


def test_images_of_other_data_are_not_shown_beside_a_table(tmp_path):
    carviz.measure_car(network(), data(0), "first", progress=False).save(tmp_path / "t.npz")
    explorer = explore(network(), data(1), tables=tmp_path)
    explorer._open_class(0)
    assert "measured on other images" in explorer.panels.classes.changed["problem"]


class Made:
    def __init__(self) -> None:
        self.retired = False
        self.waited: list[float] = []

    def retire(self):
        self.retired = True
        return self

    def wait(self, timeout: float) -> None:
        self.waited.append(timeout)


def test_running_a_cell_again_retires_what_it_made():
    first, twin, other, again = Made(), Made(), Made(), Made()
    for made, place in (
        (first, ("cell-a", "run-1")),
        (twin, ("cell-a", "run-1")),
        (other, ("cell-b", "run-2")),
    ):
        retire_former(place)
        enter(made, place)
    assert not (first.retired)
    assert not (twin.retired)
    retire_former(("cell-a", "run-3"))
    assert first.retired
    assert twin.retired
    assert first.waited, "its last batch must not run while the next network is traced"
    enter(again, ("cell-a", "run-3"))
    retire_former(("cell-a", "run-3"))
    assert not (other.retired)
    assert not (again.retired)


def test_outside_a_kernel_nothing_is_noted_down():
    a = Made()
    assert running_cell() is None
    enter(a, None)
    retire_former(None)
    assert not a.retired


def test_the_running_kernel_says_which_cell_it_is(monkeypatch):
    class Shell:
        class kernel:  # noqa: N801
            @staticmethod
            def get_parent(channel):
                assert channel == "shell"
                return {
                    "content": {"code": "carviz.explore()"},
                    "metadata": {"cellId": "c7"},
                    "header": {"msg_id": "m1"},
                }

    monkeypatch.setattr("IPython.get_ipython", Shell)
    assert running_cell() == ("c7", "m1")
    first = explore(network(), data())
    assert first.comm is not None
    second = explore(network(), data())
    assert first.comm is not None, "both were made by the same execution"
    monkeypatch.setattr("carviz.explorer.front.running_cell", lambda: ("c7", "m2"))
    third = explore(network(), data())
    assert first.comm is None
    assert second.comm is None
    assert third.comm is not None

"""Errors of loading, as the row of the screen words them: the real ones, not copies."""

import pytest
from support.photographs import folder_of_photographs

import carviz
from carviz.screen.chooser import Choice, chooser, what_to_open
from carviz.screen.head import head
from carviz.screen.refusals import TICK, reworded
from carviz.session.loading import How, find_data, find_model


def load(model, data, weights="DEFAULT", fitting=False):
    how = How(weights, fitting)
    network = find_model(model, lambda _words: False, how)[0]
    return find_data(network, data, None, lambda _words: False, how)


@pytest.fixture
def other_classes(tmp_path):
    return folder_of_photographs(tmp_path, ["goldfish", "zzyzx"])


@pytest.mark.parametrize(
    ("model", "weights", "field", "said"),
    [
        ("resnet19", "DEFAULT", "model", "Nearest: "),
        ("squeezenet1_1", "best", "weights", "default, none, a file, or one of IMAGENET1K_V1"),
        ("squeezenet1_1", "./none.pt", "weights", "there is none at"),
    ],
)
def test_networks(model, weights, field, said):
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        load(model, "shapes", weights)
    words, where = reworded(str(error.value))
    assert where == field
    assert said in words
    assert "weights=" not in words


def test_weights_that_cannot_be_fetched(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def offline(*_args, **_options):
        raise OSError("no network")

    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    with pytest.raises(FileNotFoundError) as error:
        carviz.load_model("squeezenet1_1")
    words, field = reworded(str(error.value))
    assert field == "weights"
    assert "type none as Weights" in words
    assert "--weights" not in words


def test_data_of_other_classes_has_a_tick(other_classes):
    with pytest.raises(ValueError, match="Say which is which") as error:
        load("squeezenet1_1", other_classes, None)
    words, field = reworded(str(error.value))
    assert field == "data"
    assert "zzyzx" in words
    assert TICK in words
    assert "load_data" not in words
    data = load("squeezenet1_1", other_classes, None, fitting=True)
    assert {data.classes[label] for label in data.targets} == {"goldfish"}


def test_files_that_are_no_images_have_the_same_tick(tmp_path):
    folder = folder_of_photographs(tmp_path, ["goldfish", "tabby"])
    (folder / "tabby" / "1.jpg").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="readable") as error:
        load("squeezenet1_1", folder, None)
    words, field = reworded(str(error.value))
    assert (field, TICK in words, "--unreadable" in words) == ("data", True, False)
    with pytest.warns(UserWarning, match="Left out"):
        assert len(load("squeezenet1_1", folder, None, fitting=True)) == 3


def test_nothing_fits_and_nothing_is_there(tmp_path):
    folder = folder_of_photographs(tmp_path, ["zzyzx"])
    for data, said in ((folder, "nothing is left"), (tmp_path / "no", "machine that the kernel")):
        with pytest.raises((ValueError, FileNotFoundError)) as error:
            load("squeezenet1_1", data, None, fitting=True)
        words, field = reworded(str(error.value))
        assert field == "data"
        assert said in words
        assert "classes=" not in words


@pytest.fixture
def session():
    session = carviz.open_session("shapes", carviz.load_data("shapes", limit=1))
    yield session
    session.close()


def test_what_was_asked_for_in_vain_is_told_in_the_row_until_something_else_is_done(session):
    assert chooser(session.snapshot())["problem"] == ""
    session.open_other("shapse", None, None, How())
    with pytest.raises(ValueError, match="shapse"):
        session.wait()
    row = chooser(session.snapshot())
    assert "Nearest: shapes" in row["problem"]
    assert (row["field"], row["stays"]) == ("model", "shapes on ShapesAndColors stays.")
    session.compute("filter")
    session.wait()
    assert chooser(session.snapshot())["problem"] == ""


@pytest.mark.parametrize(
    ("typed", "model", "how"),
    [
        (Choice("shapes", "", ""), None, How()),
        (Choice("shapes", "", "", "None"), "shapes", How(None)),
        (Choice("", "", "", "a.pt", True), "shapes", How("a.pt", True)),
        (Choice("alexnet", "", "", "default"), "alexnet", How()),
    ],
)
def test_other_weights_are_another_model(session, typed, model, how):
    assert what_to_open(typed, session.subject) == (model, None, None, how)


def test_the_header_tells_of_weights_that_are_not_the_trained_ones(session):
    session.open_other("shapes", "shapes", 1, How(None))
    session.wait()
    facts = head(session.snapshot())["facts"]
    assert facts[0] == ["model ", "shapes", ", random weights"]
    session.open_other(None, "shapes", 2, How())  # the network stays, with its weights
    session.wait()
    assert head(session.snapshot())["facts"][0] == facts[0]

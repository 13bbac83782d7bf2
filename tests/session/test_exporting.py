"""The smaller network as a file: what it computes, why there is none, and who traces."""

import threading

import numpy as np
import pytest
import torch
from support.gated import data, network
from support.waiting import WAIT
from torch import fx, nn
from torch_pruning import DependencyGraph

from carviz import Run, open_session
from carviz.banks import TRACING, tracing


@pytest.fixture
def session(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = open_session(network(), data(), run=Run(batch_size=16))
    yield made
    made.close()


def pruned(session, count=None):
    session.prune(count)
    session.wait(WAIT)
    return session.path


def test_it_writes_a_network_that_computes_what_the_ablated_one_does(session, tmp_path):
    path = pruned(session)
    session.count = 2
    session.export()
    session.wait(WAIT)
    done = session.exported
    assert done.path.resolve() == tmp_path / "Network-first-minus-2.pt2"
    assert session.status == f"Saved as {done.path}."
    assert (done.layer, done.count) == ("first", 2)
    opened = torch.export.load(done.path).module()
    images, _ = data()
    with torch.no_grad():
        predicted = opened(images).argmax(1).numpy()
    assert np.array_equal(predicted, path.predictions[1])
    assert done.report.after.parameters < done.report.before.parameters
    assert session.snapshot().to_json()["pruning"]["exported"] == str(done.path)


def test_one_that_does_not_come_back_is_cancelled(session, tmp_path, monkeypatch):
    inside = threading.Event()

    def for_ever(graph, module, *_rest):
        while True:
            inside.set()
            graph.get_out_channels(module)

    monkeypatch.setattr(DependencyGraph, "get_pruning_group", for_ever)
    pruned(session)
    session.count = 2
    session.export()
    assert inside.wait(WAIT)
    session.cancel()
    session.wait(WAIT)
    assert session.status == "Cancelled: nothing was saved."
    assert session.exported is None
    assert list(tmp_path.iterdir()) == []


def test_it_says_in_words_why_it_cannot(session, tmp_path):
    with pytest.raises(ValueError, match="not pruned yet"):
        session.export()
    pruned(session)
    session.count = 0
    with pytest.raises(ValueError, match="Move the slider"):
        session.export()
    session.count = 6
    session.export()
    with pytest.raises(ValueError, match="keeps one filter"):
        session.wait(WAIT)
    assert "keeps one filter" in session.status
    assert session.exported is None
    with pytest.raises(FileNotFoundError, match="nowhere"):
        session.export(tmp_path / "nowhere" / "x.pt2")
    assert list(tmp_path.iterdir()) == []


def test_the_worker_traces_nothing_while_it_prunes_compares_and_exports(session, monkeypatch):
    threads, unlocked, exported = [], [], []
    trace = fx.Tracer.trace

    def watched(self, *args, **kwargs):
        # torch.export has a tracer of its own, which lets other threads' calls pass.
        if isinstance(self, tracing.Tracer) or type(self) is fx.Tracer:
            threads.append(threading.current_thread().name)
        elif free(TRACING):
            unlocked.append(type(self).__name__)
        else:
            exported.append(type(self).__name__)
        return trace(self, *args, **kwargs)

    def free(lock) -> bool:
        taken = []

        def take() -> None:
            taken.append(lock.acquire(blocking=False))
            if taken[0]:
                lock.release()

        other = threading.Thread(target=take)
        other.start()
        other.join()
        return taken[0]

    torch.export.export(torch.nn.ReLU(), (torch.ones(1),))  # its first call traces examples
    monkeypatch.setattr(fx.Tracer, "trace", watched)
    pruned(session, 2)
    session.compare()
    session.wait(WAIT)
    assert exported == []
    session.count = 2
    session.export()
    session.wait(WAIT)
    assert threads == []
    assert unlocked == [], "two tracers at once would leave torch.nn.Module patched"
    assert exported, "torch.export traces, and this test would see it"


def test_forward_passes_go_on_while_the_worker_exports(session):
    pruned(session)
    session.count = 2
    model, (images, _) = network(), data()
    calls = nn.Module.__call__, nn.Module.__getattr__
    passes = 0
    with torch.no_grad():
        expected = model(images)
        session.export()
        while session.busy:
            torch.testing.assert_close(model(images), expected)
            passes += 1
    session.wait(WAIT)
    assert passes > 1
    assert (nn.Module.__call__, nn.Module.__getattr__) == calls

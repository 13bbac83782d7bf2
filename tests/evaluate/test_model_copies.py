"""The copy shares parameters and computes the same, whatever the model holds; nothing reaches it.

Every model here is asked the same questions: does the copy give its logits, in evaluation mode,
from the same memory, and is the model byte for byte what it was.
"""

import copy
import functools
import io
import itertools
import logging
import threading
import weakref
from collections import OrderedDict, deque, namedtuple
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrize, prune

from carviz.evaluate import copy_structure, fingerprint_model, shadow


def images():
    return torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))


class Base(nn.Module):
    """Convolution, batch normalisation, linear layer; what else it holds is the test's."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.last = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 3)
        self.norm.running_mean.normal_()

    def forward(self, x):
        return self.last(self.norm(self.conv(x)).relu().mean((2, 3)))


class Keeps(Base):
    """Keeps activations that were computed: in an attribute, and in containers of all kinds."""

    def __init__(self):
        super().__init__()
        self.kept, self.pairs, self.recent = {"deep": {}}, [], deque(maxlen=2)

    def forward(self, x):
        maps = self.conv(x)
        if "maps" in self.kept:
            self.kept["maps"].detach().zero_()  # a copy's forward pass may do what it likes
        self.maps, self.kept["maps"], self.kept["deep"]["maps"] = maps, maps, (maps, [maps])
        self.pairs.append((maps, "name"))
        self.recent.append(maps)
        return self.last(maps.mean((2, 3)))


def keeps():
    model = Keeps()
    model(images()).sum().backward()
    return model


class Holds(Base):
    """Holds what cannot be copied."""

    def __init__(self):
        super().__init__()
        self.lock, self.once = threading.RLock(), threading.Event()
        self.locks = {"inner": [threading.Lock()], "pair": (threading.Condition(), 1)}
        self.numbers = (i for i in itertools.repeat(1))
        self.log, self.file = logging.getLogger("a.b"), io.StringIO("text")
        self.pool, self.thread = ThreadPoolExecutor(1), threading.Thread(target=print)
        self.scale = lambda x: x * 2
        self.itself, self.others = weakref.ref(self), [weakref.proxy(self.conv)]
        self.names = weakref.WeakKeyDictionary()

    def forward(self, x):
        with self.lock:
            return super().forward(self.scale(x) * next(self.numbers))


class Circle(Base):
    """Knows itself, and its children know it, without being its children's child."""

    def __init__(self):
        super().__init__()
        self.all = [self, {"self": self}]
        object.__setattr__(self.conv, "parent", self)
        self.conv.way = functools.partial(self.help, 2)
        self.pair = (self.all, self)

    def help(self, times, x):
        return self.norm(x) * times

    def forward(self, x):
        parent = self.conv.parent.all[1]["self"]
        return self.last(parent.conv.way(parent.conv(x)).mean((2, 3)))


class Scaled(nn.Parameter):
    """A parameter of a class of its own, with an attribute."""


class OwnParameters(Base):
    def __init__(self):
        super().__init__()
        self.gain = Scaled(torch.full((3,), 2.0))
        self.gain.power = 3
        self.biases = nn.ParameterList([nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))])
        self.named = nn.ParameterDict({"a": nn.Parameter(torch.ones(3))})
        self.frozen = nn.Parameter(torch.tensor([1, 0, 1]), requires_grad=False)
        self.unregistered = [nn.Linear(3, 3)]
        self.flat = self.last.weight.view(-1)
        self.register_buffer("mask", torch.tensor([0.0, -torch.inf, 0.0]), persistent=False)

    def forward(self, x):
        assert isinstance(self.gain, Scaled)
        out = super().forward(x) * self.gain**self.gain.power + self.biases[1] * self.frozen
        return self.unregistered[0](out * self.named["a"] + self.flat[:3]) + self.mask.exp()


def old_weight_norm():
    with pytest.warns(FutureWarning, match="weight_norm"):
        nn.utils.weight_norm((model := Base()).conv)
    model(images()).sum().backward()
    return model


def spectral():
    nn.utils.spectral_norm((model := Base()).conv)
    nn.utils.parametrizations.spectral_norm(model.last)
    model(images())
    return model


def pruned():
    model = Base()
    prune.l1_unstructured(model.conv, "weight", 0.5)
    prune.ln_structured(model.conv, "weight", 0.5, n=1, dim=0)  # a container of two methods
    prune.random_unstructured(model.last, "bias", 1)
    model(images()).sum().backward()
    return model


class Halved(nn.Module):
    def forward(self, weight):
        return weight / 2


def parametrized():
    model = Base()
    parametrize.register_parametrization(model.conv, "weight", Halved())
    nn.utils.parametrizations.weight_norm(model.last)
    return model


def lazy_that_was_filled():
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(3))
    model(images())
    return model


class Recurrent(Base):
    def __init__(self):
        super().__init__()
        self.cells = nn.LSTM(4, 4, batch_first=True)

    def forward(self, x):
        return self.last(self.cells(self.conv(x).flatten(2).transpose(1, 2))[0][:, -1])


class TrainsNothing(Base):
    """`train` returns None, and keeps the normalisation frozen."""

    def train(self, mode=True):
        super().train(mode)
        self.norm.eval()
        self.asked = mode


def patched_forward():
    """Functions put on an instance: they hold the model in a closure, a default, their globals."""
    model = Base()
    model.closed = lambda x: model.conv(x)
    model.defaulted = lambda x, layers=(model.norm,): layers[0](x)
    model.named = lambda x, *, layer=model.last: layer(x)
    model.forward = lambda x: model.named(model.defaulted(model.closed(x)).mean((2, 3)))
    return model


def graph():
    model = torch.fx.symbolic_trace(nn.Sequential(Base(), nn.ReLU()))
    object.__setattr__(model.get_submodule("0.conv"), "parent", model)
    model.tap = Tap(model)
    model.maps = model.get_submodule("0.conv")(images())  # its own way to be copied fails at this
    return model


class OwnWay(Base):
    """A class that says how it is copied, and fails at it."""

    def __deepcopy__(self, memo):
        raise NotImplementedError


class Tap:
    """An object of the user's own that knows a part of the model."""

    __slots__ = ("layer", "lock", "seen")

    def __init__(self, layer):
        self.layer, self.lock, self.seen = layer, threading.Lock(), OrderedDict(a=[1])


Pair = namedtuple("Pair", ["one", "other"])


def plain():
    return Base().to(memory_format=torch.channels_last)


KINDS = [
    plain, keeps, Holds, Circle, OwnParameters, old_weight_norm, spectral, pruned, parametrized,
    lazy_that_was_filled, Recurrent, TrainsNothing, patched_forward, graph, OwnWay,
]  # fmt: skip


def record(thing, seen=None):
    """Return all that a model is: values, memory, modes, hooks and who stands where."""
    seen = {} if seen is None else seen
    if id(thing) in seen:
        return seen[id(thing)]
    seen[id(thing)] = len(seen)
    if isinstance(thing, torch.Tensor):
        plain = thing.detach()
        values = plain.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        return (id(thing), thing.data_ptr(), thing._version, thing.stride(), values)
    if type(thing) in (weakref.ProxyType, weakref.CallableProxyType):
        return id(thing)
    if isinstance(thing, (list, tuple, deque)):
        return (id(thing), [record(v, seen) for v in thing])
    if isinstance(thing, dict):
        return (id(thing), [(k, record(v, seen)) for k, v in thing.items()])
    if isinstance(thing, nn.Module):
        return (id(thing), type(thing), [(k, record(v, seen)) for k, v in vars(thing).items()])
    return id(thing)


@pytest.mark.parametrize("make", KINDS)
def test_the_copy_computes_the_same_and_the_model_stays_as_it_is(make):
    torch.manual_seed(0)
    model = make()
    model.train()
    before = record(model)
    twin = shadow(model)
    assert record(model) == before
    with torch.no_grad():
        logits = twin(images())
    assert record(model) == before, "running the copy changed the model"
    assert not any(m.training for m in twin.modules())
    given = dict(model.named_parameters())
    assert list(given) == [n for n, _ in twin.named_parameters()]
    for name, parameter in twin.named_parameters():
        assert parameter is not given[name]
        assert parameter.data_ptr() == given[name].data_ptr(), name
        assert parameter.stride() == given[name].stride()
    shared = {p.data_ptr() for p in model.parameters()}
    for one, other in zip(model.buffers(), twin.buffers(), strict=True):
        assert one.data_ptr() != other.data_ptr() or one.data_ptr() in shared
    model.eval()
    with torch.no_grad():
        torch.testing.assert_close(logits, model(images()), rtol=0, atol=0)


@pytest.mark.parametrize("make", KINDS)
def test_the_copy_sees_what_becomes_of_the_shared_parameters(make):
    torch.manual_seed(0)
    model = make()
    model.eval()
    twin = shadow(model)
    with torch.no_grad():
        first = twin(images())
        for parameter in model.parameters():
            if parameter.is_floating_point():
                parameter.mul_(1.5)
        second = twin(images())
        torch.testing.assert_close(second, model(images()), rtol=0, atol=0)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("make", KINDS)
def test_a_copy_can_be_copied_in_its_turn_with_the_same_parameters(make):
    twin = shadow(make())
    with torch.inference_mode():
        expected = twin(images())
        other = copy_structure(twin)
        torch.testing.assert_close(other(images()), expected, rtol=0, atol=0)
    assert all(a is b for a, b in zip(twin.parameters(), other.parameters(), strict=True))
    assert not set(map(id, twin.modules())) & set(map(id, other.modules()))


def test_a_module_and_its_graph_are_copied_as_one():
    model = shadow(Base())
    twin, graph = copy_structure((model, torch.fx.symbolic_trace(model)))
    assert graph.get_submodule("conv") is twin.conv
    assert twin.conv is not model.conv
    torch.testing.assert_close(graph(images()), model(images()))


def test_what_the_copy_calls_is_its_own():
    model = Holds()
    twin = shadow(model)
    assert twin.lock is model.lock
    assert twin.locks["inner"][0] is model.locks["inner"][0]
    assert twin.locks is not model.locks
    assert twin.numbers is model.numbers
    assert twin.log is model.log
    assert twin.pool is model.pool
    assert twin.itself() is twin
    assert twin.others[0].weight.data_ptr() == model.conv.weight.data_ptr()
    twin.conv.mark = 1
    assert twin.others[0].mark == 1
    circle = shadow(Circle())
    assert circle.conv.parent is circle
    assert circle.pair[0][1]["self"] is circle
    assert circle.conv.way.func.__self__ is circle


@pytest.mark.parametrize("make", [patched_forward, Circle, OwnWay])
def test_a_hook_on_the_copy_is_met_however_the_layer_is_called(make):
    model = make()
    for layer in ("conv", "norm", "last"):
        twin = shadow(model)
        twin.get_submodule(layer).register_forward_hook(lambda _m, _args, out: out * 0)
        torch.testing.assert_close(*twin(images()).split(1))
    assert not torch.allclose(*model(images()).split(1))


def _global_forward(x):
    return GLOBAL.last(GLOBAL.conv(x).mean((2, 3)))


GLOBAL = Base()
GLOBAL.forward = _global_forward  # as in a notebook, where the model is a global name


def test_a_function_that_names_the_model_calls_the_copy():
    twin = shadow(GLOBAL)
    twin.conv.register_forward_hook(lambda _m, _args, out: out * 0)
    torch.testing.assert_close(*twin(images()).split(1))
    assert GLOBAL.forward is _global_forward


def _counted(function):
    counts = {}

    @functools.wraps(function)
    def counting(x):
        counts["calls"] = counts.get("calls", 0) + 1
        return function(x)

    return counting


@_counted
def decorated(x):
    return x


def test_a_function_of_the_program_stays_the_program_s():
    model = Base()
    model.act, model.pool, model.cast = F.relu, F.max_pool2d, functools.lru_cache(print)
    model.own = decorated
    twin = shadow(model)
    assert (twin.act, twin.pool, twin.cast) == (F.relu, F.max_pool2d, model.cast)
    assert twin.own is decorated


def test_random_numbers_of_the_model_are_not_used_up():
    class Noisy(Base):
        def __init__(self):
            super().__init__()
            self.source = torch.Generator().manual_seed(1)

        def forward(self, x):
            return super().forward(x) + torch.rand(1, generator=self.source)

    model = Noisy()
    before = model.source.get_state()
    shadow(model)(images())
    assert torch.equal(model.source.get_state(), before)


def test_in_place_flags_and_modes_of_layers_stay():
    model = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(inplace=True))
    assert shadow(model)[1].inplace
    assert not copy_structure(model.eval()).training
    assert copy_structure(model.train()).training


def test_the_copy_owns_its_buffers_and_moves_alone():
    model = Base()
    twin = shadow(model)
    twin.norm.running_mean += 1
    assert not torch.equal(twin.norm.running_mean, model.norm.running_mean)
    before = [(p.data_ptr(), p.dtype, p.stride()) for p in model.parameters()]
    shadow(model, torch.device("meta"))
    shadow(model).to(torch.float64)
    shadow(model).to(memory_format=torch.channels_last)
    assert [(p.data_ptr(), p.dtype, p.stride()) for p in model.parameters()] == before


def test_tied_parameters_stay_tied_and_views_stay_views():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    model.register_buffer("table", torch.zeros(2, 3))
    model.row = model.table[0]
    twin = shadow(model)
    assert twin[1].weight is twin[0].weight
    twin.table += 1
    assert twin.row.tolist() == [1, 1, 1]
    assert model.row.tolist() == [0, 0, 0]


def test_an_object_of_the_user_s_own_is_copied_with_what_it_knows_of_the_model():
    model = Base()
    model.tap = Tap(model.conv)
    twin = shadow(model)
    assert twin.tap.layer is twin.conv
    assert twin.tap.lock is model.tap.lock
    assert twin.tap.seen == model.tap.seen
    assert twin.tap.seen["a"] is not model.tap.seen["a"]
    # Half-made copies of a way that fails are not taken.
    half = shadow(graph())
    assert half.tap.layer is half
    assert half.get_submodule("0.conv").parent is half


def test_circles_of_any_kind_close_in_the_copy():
    model = Base()
    model.loop = ([],)
    model.loop[0].append(model.loop)
    model.pair = Pair(Tap(None), 1)
    model.pair.one.layer = model.pair
    model.seen = [1]
    model.push = model.seen.append
    twin = shadow(model)
    assert twin.loop[0][0] is twin.loop
    assert twin.loop is not model.loop
    assert twin.pair.one.layer is twin.pair
    twin.push(2)
    assert (twin.seen, model.seen) == ([1, 2], [1])


def test_a_plain_model_is_copied_as_deepcopy_would():
    model = Base().eval()
    assert fingerprint_model(shadow(model)) == fingerprint_model(copy.deepcopy(model))


COMPILED = []


def backend(graph, _examples):
    COMPILED.append(graph)
    return graph.forward


def test_a_model_compiled_in_place_is_not_compiled_in_the_copy():
    model = Base()
    model.conv.compile(backend=backend)
    twin = shadow(model)
    twin.conv.register_forward_hook(lambda _m, _args, out: out * 0)
    torch.testing.assert_close(*twin(images()).split(1))
    assert not COMPILED
    assert "_compiled_call_impl" not in vars(twin.conv)
    assert model.conv._compiled_call_impl is not None


def test_a_forward_pass_that_is_compiled_runs_plainly_in_the_copy():
    class Compiled(Base):
        forward = torch.compile(Base.forward, backend=backend)

    model = Compiled().eval()
    other = Base().eval()
    other.forward = torch.compile(other.forward, backend=backend)
    for given in (model, other):
        logits = shadow(given)(images())
        assert not COMPILED
        torch.testing.assert_close(logits, Base.forward(given, images()))

"""Draws the pictures of *ShapesAndColors*, so that what defines a class is known, not guessed.

A network trained on photographs may use any cue there is; nobody can say which one it *should*
have used. Here two laws are kept to the last pixel, so that an interpretation can be checked:

* a **shape** is a figure lighter or darker than its ground by the same amount in red, green and
  blue. The tint runs through figure and ground alike: it says nothing about the class;
* a **color** is a soft spot whose mean over red, green and blue is that of the ground beneath it: a
  filter that treats the three channels alike sees no spot.

Everything is NumPy arithmetic on one 64 x 64 grid, and every number comes from the generator that
is passed in. Figures are signed distances put together from discs and half-planes (union is a
minimum, intersection a maximum), which gives smooth edges at any size and angle. Grounds are random
clouds whose amplitude falls with spatial frequency, as it does in photographs (Field, J. Opt. Soc.
Am. A 4, 1987).

Units: pixels for lengths, RGB values in [0, 1]; x runs right and y runs down.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""Of float32, throughout: NumPy's types do not follow that through arithmetic."""

SIZE = 64
"""Height and width of every picture, in pixels."""

HUES: dict[str, float] = {
    "red": 0.0,
    "yellow": 55.0,
    "green": 120.0,
    "cyan": 180.0,
    "blue": 240.0,
    "purple": 300.0,
}
"""The colors, as angles in degrees in the plane orthogonal to (1, 1, 1): see `hue_direction`."""


class Drawing(NamedTuple):
    """A picture and what it was made of: ``picture = ground + cover * offset``, nothing clipped.

    Attributes
    ----------
    picture, ground
        RGB in [0, 1], (height, width, 3).
    cover
        How much of each pixel the figure or spot covers, in [0, 1], (height, width).
    offset
        What a fully covered pixel gains, (3,): along (1, 1, 1) for a shape, orthogonal to it for a
        color.
    """

    picture: Array
    ground: Array
    cover: Array
    offset: Array


# --------------------------------------------------------------------------------------------------
# Figures: signed distance to the outline, negative inside, in units of the figure's radius
# --------------------------------------------------------------------------------------------------


def _half_plane(x: Array, y: Array, degrees: float, distance: float) -> Array:
    """Cut off what is more than `distance` away from the origin in the direction `degrees`."""
    angle = math.radians(degrees)
    return x * math.cos(angle) + y * math.sin(angle) - distance


def _disc(x: Array, y: Array, radius: float) -> Array:
    distance: Array = np.sqrt(x * x + y * y) - radius
    return distance


def _box(x: Array, y: Array, half_width: float, half_height: float) -> Array:
    return np.maximum(np.abs(x) - half_width, np.abs(y) - half_height)


def _circle(x: Array, y: Array) -> Array:
    return _disc(x, y, 0.9)


def _ring(x: Array, y: Array) -> Array:
    return np.abs(_disc(x, y, 0.74)) - 0.24


def _crescent(x: Array, y: Array) -> Array:
    return np.maximum(_disc(x + 0.15, y, 1.0), -_disc(x - 0.35, y, 0.82))


def _heart(x: Array, y: Array) -> Array:
    """Join a square that stands on a corner with a disc on each of its two upper sides."""
    side, shift = 0.56, 0.22
    y = y - shift
    tilted = math.sqrt(0.5)
    square = _box((x + y) * tilted, (x - y) * tilted, side, side)
    lobe = _disc(np.abs(x) - side * tilted, y + side * tilted, side)
    return np.minimum(square, lobe)


def _drop(x: Array, y: Array) -> Array:
    """Join a disc with the cone of its two tangents from a point above it."""
    radius, height, shift = 0.66, 1.5, 0.42
    y = y - shift
    tangent = math.degrees(math.asin(radius / height))
    cone = _half_plane(np.abs(x), y, -tangent, radius)
    return np.minimum(_disc(x, y, radius), np.maximum(cone, y + radius * radius / height))


def _triangle(x: Array, y: Array) -> Array:
    return np.maximum(_half_plane(np.abs(x), y, -30.0, 0.57), y - 0.57)


def _square(x: Array, y: Array) -> Array:
    return _box(x, y, 0.8, 0.8)


def _star(x: Array, y: Array) -> Array:
    """Fold the plane into one tenth of a turn, where the outline of a star is a single line."""
    tip, notch, tenth = 1.12, 0.48, math.pi / 5
    turn = np.arctan2(x, -y)
    folded = np.abs(turn - 2 * tenth * np.round(turn / (2 * tenth)))
    radius = np.sqrt(x * x + y * y)
    along, across = radius * np.cos(folded), radius * np.sin(folded)
    edge_x, edge_y = notch * math.cos(tenth) - tip, notch * math.sin(tenth)
    length = math.hypot(edge_x, edge_y)
    distance: Array = ((along - tip) * edge_y - across * edge_x) / length
    return distance


def _cross(x: Array, y: Array) -> Array:
    return np.minimum(_box(x, y, 1.0, 0.3), _box(x, y, 0.3, 1.0))


def _arrow(x: Array, y: Array) -> Array:
    head = np.maximum(_half_plane(np.abs(x), y, -38.0, 0.66), y + 0.06)
    shaft = _box(x, y - 0.45, 0.24, 0.6)
    return np.minimum(head, shaft)


class Shape(NamedTuple):
    """How a shape is drawn.

    Attributes
    ----------
    outline
        Signed distance for points in units of the figure's radius.
    tilt
        It is turned by up to so many degrees either way; few, where its name depends on which way
        is up.
    """

    outline: Callable[[Array, Array], Array]
    tilt: float


SHAPES: dict[str, Shape] = {
    "circle": Shape(_circle, 0.0),
    "ring": Shape(_ring, 0.0),
    "crescent": Shape(_crescent, 180.0),
    "heart": Shape(_heart, 35.0),
    "drop": Shape(_drop, 35.0),
    "triangle": Shape(_triangle, 60.0),
    "square": Shape(_square, 45.0),
    "star": Shape(_star, 36.0),
    "cross": Shape(_cross, 45.0),
    "arrow": Shape(_arrow, 180.0),
}
"""The shapes, by name."""


@cache
def _grid() -> tuple[Array, Array]:
    """Return x (1, width) and y (height, 1) of the pixel centres, from the picture's middle."""
    middle = np.arange(SIZE, dtype=np.float32) - (SIZE - 1) / 2
    return middle[None, :], middle[:, None]


def draw_figure(name: str, rng: np.random.Generator) -> Array:
    """Draw a shape of random size, place and angle: its cover in [0, 1], (height, width)."""
    shape = SHAPES[name]
    radius = rng.uniform(9.5, 20.0)
    room = SIZE / 2 - 1.15 * radius - 1
    left, top = rng.uniform(-room, room, 2)
    angle = math.radians(rng.uniform(-shape.tilt, shape.tilt))
    stretch = rng.uniform(0.92, 1.08)
    softness = rng.uniform(0.9, 1.8)
    x, y = _grid()
    cos, sin = math.cos(angle) / radius, math.sin(angle) / radius
    across = ((x - left) * cos + (y - top) * sin) * stretch
    down = ((y - top) * cos - (x - left) * sin) / stretch
    distance = shape.outline(across, down) * radius
    return _smooth_step(0.5 - distance / (2 * softness))


def draw_spot(rng: np.random.Generator) -> Array:
    """Draw a soft spot without a nameable outline: its cover in [0, 1], (height, width).

    A few bumps beside one another, cut at half their height: a blot of watercolor.
    """
    reach = rng.uniform(6.0, 12.0)
    room = SIZE / 2 - 2.2 * reach
    left, top = rng.uniform(-room, room, 2)
    x, y = _grid()
    height = np.zeros((SIZE, SIZE), np.float32)
    for _ in range(int(rng.integers(3, 6))):
        bump_x, bump_y = rng.normal((left, top), 0.75 * reach)
        width = 2 * (reach * rng.uniform(0.5, 0.9)) ** 2
        height += np.exp(-((y - bump_y) ** 2) / width) * np.exp(-((x - bump_x) ** 2) / width)
    softness = rng.uniform(0.4, 0.9)
    return _smooth_step((height - 0.5) / softness + 0.5)


def _smooth_step(values: Array) -> Array:
    """Map to 0 below 0, to 1 above 1, and smoothly in between."""
    inside: Array = np.clip(values, 0.0, 1.0)
    smooth: Array = (inside * inside * (3 - 2 * inside)).astype(np.float32, copy=False)
    return smooth


# --------------------------------------------------------------------------------------------------
# Grounds
# --------------------------------------------------------------------------------------------------


@cache
def _frequencies() -> tuple[Array, Array]:
    """Return cycles per picture along x (1, width / 2 + 1) and y (height, 1)."""
    along_x = np.fft.rfftfreq(SIZE, 1 / SIZE).astype(np.float32)
    along_y = np.fft.fftfreq(SIZE, 1 / SIZE).astype(np.float32)
    return along_x[None, :], along_y[:, None]


def draw_clouds(
    rng: np.random.Generator, *, fall: float, stretch: float = 1.0, angle: float = 0.0
) -> Array:
    """Draw random clouds with values in [-1, 1], (height, width).

    Parameters
    ----------
    fall
        The amplitude falls as one over frequency to this power: 1 is sand, 2.5 is mist.
    stretch, angle
        Drawn out so many times along the direction `angle` (radians): wood, water, brushed metal.
    """
    along_x, along_y = _frequencies()
    cos, sin = math.cos(angle), math.sin(angle)
    squared = ((along_x * cos + along_y * sin) * stretch) ** 2 + (
        along_y * cos - along_x * sin
    ) ** 2
    amplitude = (squared + 1.0) ** np.float32(-fall / 2)
    amplitude[0, 0] = 0.0
    waves = rng.standard_normal((2, *amplitude.shape), np.float32)
    clouds = np.fft.irfft2((waves[0] + 1j * waves[1]) * amplitude, s=(SIZE, SIZE))
    limited: Array = np.tanh(clouds * (0.5 / clouds.std()))
    return limited


def draw_ground(rng: np.random.Generator) -> Array:
    """Draw a ground with soft light, a texture and a soft tint: RGB, (height, width, 3)."""
    x, y = _grid()
    angle = rng.uniform(0, 2 * math.pi)
    slope = rng.uniform(0.0, 0.06) / (SIZE / 2)
    light = rng.uniform(0.43, 0.57) + (x * math.cos(angle) + y * math.sin(angle)) * slope
    texture = draw_clouds(
        rng,
        fall=rng.uniform(1.3, 2.3),
        stretch=1 + 3 * rng.uniform() ** 2,
        angle=rng.uniform(0, math.pi),
    )
    light = light + texture * rng.uniform(0.01, 0.14)
    return light[:, :, None] + _draw_tint(rng)


def _draw_tint(rng: np.random.Generator) -> Array:
    """Draw a ground's soft color, orthogonal to (1, 1, 1), (height, width, 3).

    A quarter of the grounds has none. A point of the plane orthogonal to (1, 1, 1) is written as
    one complex number, whose angle is the hue: mist that drifts in strength and hue is then one
    complex inverse Fourier transform.
    """
    strength, hue = rng.uniform(-0.03, 0.09), rng.uniform(0, 2 * math.pi)
    if strength <= 0:
        return np.zeros((SIZE, SIZE, 3), np.float32)
    waves = rng.standard_normal((2, *_mist_amplitude().shape), np.float32)
    spectrum = np.zeros((SIZE, SIZE), np.complex64)
    spectrum[np.ix_(_MIST, _MIST)] = (waves[0] + 1j * waves[1]) * _mist_amplitude()
    mist = np.fft.ifft2(spectrum)
    size = np.abs(mist)
    mist = 1 + 1.2 * mist / (size + 1.5 * size.mean())
    tint = mist * (strength * cmath.exp(1j * hue))
    red, lime = hue_direction(0), hue_direction(90)
    rgb: Array = tint.real[:, :, None] * red + tint.imag[:, :, None] * lime
    return rgb


_MIST = np.arange(-7, 8)
"""The few low frequencies that mist is made of, in cycles per picture."""


@cache
def _mist_amplitude() -> Array:
    squared = _MIST[None, :] ** 2 + _MIST[:, None] ** 2
    amplitude = (squared + 1.0) ** -0.75
    amplitude[squared == 0] = 0.0
    return amplitude.astype(np.float32)


def hue_direction(degrees: float) -> Array:
    """Return the unit vector of a hue in RGB, orthogonal to (1, 1, 1), (3,).

    0 degrees is red, 120 green, 240 blue.
    """
    angles = np.radians(degrees - np.array([0.0, 120.0, 240.0]))
    return (math.sqrt(2 / 3) * np.cos(angles)).astype(np.float32)


# --------------------------------------------------------------------------------------------------
# Pictures
# --------------------------------------------------------------------------------------------------


def draw(name: str, rng: np.random.Generator) -> Drawing:
    """Draw one picture of the class `name`.

    Parameters
    ----------
    name
        A key of `SHAPES` or `HUES`.
    rng
        Where every random number comes from: the same generator state gives the same picture.

    Raises
    ------
    ValueError
        If there is no class of that name.
    """
    if name in SHAPES:
        cover = draw_figure(name, rng)
        direction = np.full(3, rng.choice((-1.0, 1.0)), np.float32)
        strength = rng.uniform(0.03, 0.28)
    elif name in HUES:
        cover = draw_spot(rng)
        direction = hue_direction(HUES[name] + rng.uniform(-20, 20))
        strength = rng.uniform(0.055, 0.36)
    else:
        known = ", ".join((*SHAPES, *HUES))
        raise ValueError(
            f"a class must be one that carviz draws, found {name!r}; use one of {known}"
        )
    ground = draw_ground(rng)
    strength += 0.9 * _unrest(ground, direction)
    offset = direction * np.float32(min(strength, _headroom(ground, cover, direction)))
    picture = ground + cover[:, :, None] * offset
    return Drawing(picture, ground, cover, offset)


def _unrest(ground: Array, direction: Array) -> float:
    """Return how much the ground varies along `direction`: faint things need calm grounds."""
    return float((ground @ (direction / (direction @ direction))).std())


def _headroom(ground: Array, cover: Array, direction: Array) -> float:
    """Return how far covered pixels can go along `direction` within [0, 1].

    Clipping would break the laws.
    """
    covered = ground[cover > 0]
    room = np.where(direction > 0, 1 - covered.max(axis=0), covered.min(axis=0))
    return float((room / np.maximum(np.abs(direction), 1e-6)).min())

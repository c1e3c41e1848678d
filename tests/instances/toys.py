"""Straight columns of blocks with every size known, as parts maps and probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BODY, POSTERIOR, DISC, CANAL, CORD, SACRUM = range(1, 7)


@dataclass(frozen=True)
class Toy:
    """How to draw a column; lengths in mm, positions from the top of the scan."""

    count: int = 5
    height: int = 26
    disc: int = 8
    depth: int = 34
    width: int = 40
    top: int = 15
    bottom: int = 40
    sacrum: bool = True
    spacing: tuple[float, float, float] = (4.0, 1.0, 1.0)
    slices: int = 13
    lean: float = 0.0
    """Shift to the front per mm downwards."""
    bend: float = 0.0
    """Shift to the right at mid height, mm."""


def levels(toy):
    """(top, bottom) of every body in mm from the top of the scan."""
    pitch = toy.height + toy.disc
    return [(toy.top + n * pitch, toy.top + n * pitch + toy.height) for n in range(toy.count)]


def length(toy):
    """Height of the scan, mm."""
    return toy.top + toy.count * (toy.height + toy.disc) + toy.bottom


def draw(toy):
    """Parts (I, J, K) and truth (I, J, K): body and posterior n is n, disc n is 100 + n."""
    shape = (toy.slices, 130, length(toy))
    i, j, k = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij", sparse=True)
    down = shape[2] - 1 - k
    middle = (shape[0] - 1) / 2 * toy.spacing[0]
    arc = toy.bend * np.sin(np.pi * down / shape[2])
    u = np.abs(i * toy.spacing[0] - middle - arc)
    v = j - 85.0 - toy.lean * (down - shape[2] / 2)
    parts = np.zeros(shape, np.uint8)
    truth = np.zeros(shape, np.int16)
    column = (u <= toy.width / 2) & (np.abs(v) <= toy.depth / 2)
    behind = -v - toy.depth / 2
    parts[(u < 8) & (behind > 1) & (behind < 15) & (down >= 0)] = CANAL
    spinous = (u < 5) & (behind > 18) & (behind < 42)
    arch = (u < 14) & (behind > 15) & (behind <= 20)
    pedicle = (u >= 8) & (u < 14) & (behind >= 0) & (behind <= 17)
    for n, (upper, lower) in enumerate(levels(toy), start=1):
        half = (upper + lower) / 2
        body = column & (down >= upper) & (down < lower)
        rear = pedicle & (down >= upper + 2) & (down < half)
        rear |= arch & (down >= upper + 4) & (down < lower + 2)
        rear |= spinous & (down >= half) & (down < lower + 4)
        disc = column & (down >= lower) & (down < lower + toy.disc)
        for where, part, value in ((body, BODY, n), (rear, POSTERIOR, n), (disc, DISC, 100 + n)):
            parts[where] = part
            truth[where] = value
    end = levels(toy)[-1][1] + toy.disc
    if toy.sacrum:
        parts[column & (down >= end)] = SACRUM
        truth[column & (down >= end)] = 50
    return parts, truth


NECK = Toy(
    count=4, height=14, disc=5, depth=16, width=16, top=40, sacrum=False, slices=25,
    spacing=(2.0, 1.0, 1.0),
)  # fmt: skip
"""A column from C2 down, its dens and C1 to be drawn around it."""


def draw_ring(height=11):
    """(I, J, K) masks on NECK's scan: the dens, C1's anterior arch, and the rest of its ring."""
    shape = (NECK.slices, 130, length(NECK))
    i, j, k = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij", sparse=True)
    u, v, down = np.abs(i * 2.0 - 24.0), j - 85.0, shape[2] - 1 - k
    dens = (u < 6) & (np.abs(v) < 5) & (down >= 24) & (down < 40)
    at_ring = (down >= 38 - height) & (down < 38) & (u < 20)
    sides = at_ring & (u >= 12) & (v >= -34) & (v < 7)
    return dens, at_ring & (v >= 7) & (v < 13), sides | (at_ring & (v >= -40) & (v < -34))


def probabilities(parts, *, certainty=0.8, seed=None):
    """(7, I, J, K) probabilities whose maximum is the parts map, noisy with a seed."""
    rest = (1.0 - certainty) / 6
    probs = np.stack([np.where(parts == n, certainty, rest) for n in range(7)]).astype(np.float32)
    if seed is not None:
        rng = np.random.default_rng(seed)
        probs += rng.uniform(0.0, certainty - rest, probs.shape).astype(np.float32) * 0.95
        probs /= probs.sum(axis=0)
    return probs.astype(np.float16)


def overlap(mask, other):
    """Intersection over union."""
    union = (mask | other).sum()
    return float((mask & other).sum() / union) if union else 1.0

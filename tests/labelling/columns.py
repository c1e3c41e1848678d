"""Columns at instance level for the labeller's tests, drawn without its priors.

Sizes grow from the neck to the loin with scatter; evidence is a bump about the true level
that wanders off by itself and together with its neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from spinekit.anatomy.column import LEVELS, Variant
from spinekit.anatomy.items import Instance, Instances


@dataclass(frozen=True)
class DrawnColumn:
    """Instances, evidence and the true name of each item (None for what is no single level)."""

    instances: Instances
    evidence: np.ndarray
    truth: tuple[str | None, ...]

    @property
    def bones(self):
        return [n for n, item in enumerate(self.instances.items) if item.kind != "disc"]


def _instance(kind, index, top, height, depth, **changes):
    item = Instance(
        kind=kind,
        index=index,
        centroid_ijk=(5.0, 60.0, 0.0),
        volume_mm3=height * depth * depth,
        touches_edge=False,
        partial=False,
        position_mm=top + height / 2,
        top_mm=top,
        bottom_mm=top + height,
        height_mm=height,
        depth_mm=depth,
        width_mm=1.25 * depth,
    )
    return replace(item, **changes)


def _depth(level):
    # As measured: the mean depth of rounded bodies.
    return float(np.interp(LEVELS.index(level), [1, 7, 12, 18, 25], [14.0, 17.0, 23.5, 29.5, 32.0]))


def _height(level):
    if level == "C2":
        return 30.0
    return float(
        np.interp(LEVELS.index(level), [2, 5, 7, 12, 20, 25], [13.3, 13.3, 16.0, 19.0, 26.5, 27.0])
    )


def build(truths, evidence, pieces):
    """Number pieces (kind, top, height, depth) from the top and wrap them."""
    counts = {"vertebra": 0, "disc": 0, "sacrum": 0}
    length = max(top + height for _, top, height, _ in pieces) + 10.0
    items = []
    for kind, top, height, depth in pieces:
        counts[kind] += 1
        item = _instance(kind, counts[kind], top, height, depth)
        items.append(replace(item, centroid_ijk=(5.0, 60.0, length - item.position_mm)))
    shape = (1, 1, int(length) + 8)
    empty = np.zeros(shape, np.uint8)
    instances = Instances(empty, empty, empty, tuple(items), (4.0, 1.0, 1.0))
    return DrawnColumn(instances, np.array(evidence).reshape(-1, len(LEVELS)), tuple(truths))


def bump(level, rng=None, *, spread=0.8, shift=0.0, flat=0.1):
    """A distribution about a level; `shift` moves its centre, `flat` is spread evenly."""
    at = np.arange(len(LEVELS)) - (LEVELS.index(level) + shift)
    p = np.exp(-0.5 * (at / spread) ** 2)
    p /= p.sum()
    if rng is not None:
        p = rng.dirichlet(30.0 * p + 0.05)
    return (1.0 - flat) * p + flat / len(LEVELS)


def uniform():
    return np.full(len(LEVELS), 1.0 / len(LEVELS))


def draw(rng, *, variant=None, first="T10", last="sacrum", noise=0.35, spread=0.8, known=True):
    """A column from `first` to `last` with scattered sizes and noisy evidence."""
    levels = (variant or Variant()).levels
    shown = levels[levels.index(first) : levels.index(last) + 1]
    scale = rng.normal(1.0, 0.07)
    common = rng.normal(0.0, noise * 0.5)
    top, pieces, truths, evidence = 8.0, [], [], []
    for n, level in enumerate(shown):
        kind = "sacrum" if level == "sacrum" else "vertebra"
        depth = (30.0 if kind == "sacrum" else _depth(level)) * scale * rng.normal(1, 0.04)
        height = (60.0 if kind == "sacrum" else _height(level)) * scale * rng.normal(1, 0.04)
        shift = common + rng.normal(0.0, noise)
        pieces.append((kind, top, height, depth))
        truths.append(level)
        evidence.append(bump(level, rng, shift=shift, spread=spread) if known else uniform())
        top += height
        if n + 1 < len(shown):
            usual = 0.2 if level[0] == "T" else 0.31
            thick = usual * depth * rng.normal(1.0, 0.15)
            below = shown[n + 1]
            if (level, below) != ("C1", "C2"):
                pieces.append(("disc", top, thick, depth))
                truths.append(f"{level}-{'S1' if below == 'sacrum' else below}")
                pair = 0.5 * (evidence[-1] + bump(below, rng, shift=shift, spread=spread))
                evidence.append(pair if known else uniform())
            top += thick
    return build(truths, evidence, pieces)


def _pieces(column):
    return [
        (item.kind, item.top_mm, item.height_mm, item.depth_mm) for item in column.instances.items
    ]


def delete(column, bone):
    """The column with one bone not found."""
    keep = [n for n in range(len(column.truth)) if n != bone]
    pieces = _pieces(column)
    return build([column.truth[n] for n in keep], column.evidence[keep], [pieces[n] for n in keep])


def merge(column, bone):
    """The column with a bone, the disc below it and the next bone in one piece.

    The sacrum keeps its name with a vertebra in it; a piece of two vertebrae has none.
    """
    pieces, truth, evidence = _pieces(column), list(column.truth), list(column.evidence)
    following = next(n for n in column.bones if n > bone)
    upper, lower = pieces[bone], pieces[following]
    whole = (lower[0], upper[1], lower[1] + lower[2] - upper[1], upper[3])
    mixed = np.sqrt(evidence[bone] * evidence[following])
    name = truth[following] if lower[0] == "sacrum" else None
    return build(
        [*truth[:bone], name, *truth[following + 1 :]],
        [*evidence[:bone], mixed / mixed.sum(), *evidence[following + 1 :]],
        [*pieces[:bone], whole, *pieces[following + 1 :]],
    )


def split(column, bone, count=2):
    """The column with one bone in equal pieces of which any may bear the name."""
    kind, top, height, depth = _pieces(column)[bone]
    gap = 0.04 * height
    step = (height + gap) / count
    pieces = [(kind, top + n * step, step - gap, depth) for n in range(count)]
    return _replace(column, bone, [None] * count, pieces)


def split_dens(column):
    """The column from C2 with its dens for a bone, and a disc under that."""
    kind, top, height, depth = _pieces(column)[0]
    parts = [(0.0, 0.36), (0.36, 0.1), (0.46, 0.54)]
    dens, disc, body = ((top + at * height, share * height, depth) for at, share in parts)
    return _replace(column, 0, [None, None, "C2"], [(kind, *dens), ("disc", *disc), (kind, *body)])


def _replace(column, n, truths, pieces):
    """The column with one piece replaced by several of the same evidence."""
    return build(
        [*column.truth[:n], *truths, *column.truth[n + 1 :]],
        [*column.evidence[:n], *[column.evidence[n]] * len(pieces), *column.evidence[n + 1 :]],
        [*_pieces(column)[:n], *pieces, *_pieces(column)[n + 1 :]],
    )


def others_right(column, names):
    """Whether every bone with a true name bears it."""
    return all(names[n] == column.truth[n] for n in column.bones if column.truth[n] is not None)

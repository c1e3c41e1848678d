"""Several series as one column: by place, with pooled evidence, each kept apart that lies apart."""

from dataclasses import replace

import numpy as np
import pytest

from labelling.columns import bump, uniform
from spinekit.anatomy.column import LEVELS
from spinekit.anatomy.items import Instance, Instances
from spinekit.core.grid import Grid
from spinekit.labelling.chain import name_column
from spinekit.labelling.naming import Naming
from spinekit.labelling.series import SeriesColumn, pool_series

PITCH, HEIGHT = 34, 26
CHAIN = ("T11", "T12", "L1", "L2", "L3", "L4", "L5", "sacrum")


def column(
    levels: tuple[str, ...], *, top_mm: float = 0.0, known: bool = False, wide: int = 8
) -> SeriesColumn:
    """Bodies of a straight spine in their places; `top_mm` moves all upwards.

    The spine's L5 begins 60 mm above S = 0, every level above it PITCH higher; the scan shows
    its levels and 5 mm more on either side.
    """
    base = [60.0 + PITCH * (CHAIN.index("L5") - CHAIN.index(level)) for level in levels]
    low = min(base) - 5 if levels[-1] != "sacrum" else 0.0
    size = round(max(base) + HEIGHT + 5 - low)
    parts, vertebra_map = np.zeros((2, wide, 40, size), np.uint8)
    items = []
    for n, (level, start) in enumerate(zip(levels, base, strict=True)):
        kind = "sacrum" if level == "sacrum" else "vertebra"
        first, last = (0, 50) if kind == "sacrum" else (round(start - low), round(start - low) + 26)
        parts[:, 5:38, first:last] = 6 if kind == "sacrum" else 1
        vertebra_map[:, 5:38, first:last] = 0 if kind == "sacrum" else n + 1
        items.append(
            Instance(
                kind=kind, index=1 if kind == "sacrum" else n + 1,
                centroid_ijk=(wide / 2, 21.0, (first + last) / 2),
                volume_mm3=33.0 * HEIGHT * wide * 4, touches_edge=False, partial=False,
                position_mm=size - (first + last) / 2, top_mm=size - last, bottom_mm=size - first,
                height_mm=float(last - first), depth_mm=33.0, width_mm=40.0,
            )
        )  # fmt: skip
    affine = np.diag([4.0, 1.0, 1.0, 1.0])
    affine[2, 3] = low + top_mm
    evidence = [bump(level) if known else uniform() for level in levels]
    grid = Grid((wide, 40, size), affine)
    disc_map = np.zeros_like(parts)
    instances = Instances(parts, vertebra_map, disc_map, tuple(items), (4.0, 1.0, 1.0))
    return SeriesColumn(instances, grid, np.array(evidence))


def named(series: list[SeriesColumn]) -> list[tuple[str | None, ...]]:
    """Names of each series' items after pooling."""
    result: list = [None] * len(series)
    for pool in pool_series(series):
        joint = name_column(pool.instances, pool.evidence)
        for m, member in enumerate(pool.members):
            result[member] = pool.share_out(joint, m).names
    return result


def test_one_series_with_a_landmark_names_all_that_overlap_in_turn() -> None:
    levels = [CHAIN[:4], CHAIN[2:6], CHAIN[4:]]

    assert named([column(part) for part in levels]) == levels


def test_evidence_of_the_same_bone_adds_up() -> None:
    weak = [bump(level, flat=0.6) for level in CHAIN[1:5]]
    series = [replace(column(CHAIN[1:5]), evidence=np.array(weak)) for _ in range(3)]

    (pool,) = pool_series(series)

    assert len(pool.instances.items) == 4
    for n, level in enumerate(CHAIN[1:5]):
        at = LEVELS.index(level)
        assert weak[n][at] < pool.evidence[n, at] < 1.0


@pytest.mark.parametrize("shift", [0.0, 1.3, 7.0])
def test_a_small_movement_between_series_does_no_harm(shift: float) -> None:
    levels = [CHAIN[:5], CHAIN[3:]]
    series = [column(levels[0], top_mm=shift), column(levels[1])]

    assert named(series) == levels


def test_series_apart_or_of_other_frames_are_named_apart() -> None:
    here, away = column(CHAIN[3:]), column(CHAIN[:3], top_mm=700.0)
    other = replace(column(CHAIN[1:6]), frame="2")

    assert [pool.members for pool in pool_series([here, away])] == [(0,), (1,)]
    pools = pool_series([replace(here, frame="1"), other])
    assert [pool.members for pool in pools] == [(0,), (1,)]


def test_a_series_with_nothing_in_it_stays_by_itself() -> None:
    full = column(CHAIN[2:])
    nothing = replace(
        full,
        instances=replace(full.instances, parts=full.instances.parts * 0, items=()),
        evidence=np.zeros((0, len(LEVELS))),
    )

    assert [pool.members for pool in pool_series([full, nothing])] == [(0,), (1,)]


def test_two_pieces_of_what_another_series_shows_whole_bear_its_name_once() -> None:
    whole, levels = column(CHAIN[2:], known=True), CHAIN[2:]
    items = list(whole.instances.items)
    upper, vertebra_map = items[1], whole.instances.vertebra_map.copy()
    rows = np.flatnonzero((vertebra_map == 2).any(axis=(0, 1)))
    vertebra_map[:, :, rows[:8]] = np.where(vertebra_map[:, :, rows[:8]] == 2, 9, 0)
    piece = replace(upper, index=9, position_mm=upper.position_mm + 10, volume_mm3=900.0)
    broken = SeriesColumn(
        replace(
            whole.instances,
            vertebra_map=vertebra_map,
            items=(*items[:2], piece, *items[2:]),
        ),
        whole.grid,
        np.insert(whole.evidence, 2, uniform(), axis=0),
    )
    larger = column(CHAIN, known=True)

    names = named([larger, broken])

    assert names[0] == CHAIN
    assert [name for name in names[1] if name is not None] == list(levels)


def cut_below(whole: SeriesColumn, bone: int, *, slivers: bool) -> SeriesColumn:
    """A series that shows the upper 5 mm of a bone last, as one sliver or as two."""
    items, maps = whole.instances.items[: bone + 1], whole.instances.vertebra_map.copy()
    rows = np.flatnonzero((maps == bone + 1).any(axis=(0, 1)))
    low = int(rows[-5])
    maps = maps[:, :, low:]
    sliver = replace(
        items[bone], volume_mm3=4000.0, touches_edge=True, partial=True,
        bottom_mm=items[bone].top_mm + 5, position_mm=items[bone].top_mm + 2.5,
        centroid_ijk=(*items[bone].centroid_ijk[:2], 2.5),
    )  # fmt: skip
    below = ()
    if slivers:
        maps[:, :, :2] = np.where(maps[:, :, :2] == bone + 1, bone + 2, maps[:, :, :2])
        below = (
            replace(
                sliver, index=bone + 2, volume_mm3=900.0,
                top_mm=sliver.top_mm + 3, position_mm=sliver.top_mm + 4,
                centroid_ijk=(*sliver.centroid_ijk[:2], 1.0),
            ),
        )  # fmt: skip
    kept = tuple(
        replace(item, centroid_ijk=(*item.centroid_ijk[:2], item.centroid_ijk[2] - low))
        for item in items[:bone]
    )
    affine = whole.grid.affine.copy()
    affine[2, 3] += low
    instances = replace(
        whole.instances, parts=whole.instances.parts[:, :, low:], vertebra_map=maps,
        disc_map=whole.instances.disc_map[:, :, low:], items=(*kept, sliver, *below),
    )  # fmt: skip
    evidence = np.vstack([whole.evidence[: bone + 1], *[uniform()[None]] * slivers])
    return SeriesColumn(instances, Grid(maps.shape, affine), evidence)


@pytest.mark.parametrize("slivers", [False, True])
@pytest.mark.parametrize("upper_first", [False, True])
def test_what_the_edge_leaves_of_a_bone_is_the_bone_that_another_series_shows_whole(
    slivers: bool, upper_first: bool
) -> None:
    upper = cut_below(column(CHAIN), 5, slivers=slivers)
    lower = column(CHAIN[2:], known=True)
    order = {"upper": upper, "lower": lower}
    if not upper_first:
        order = dict(reversed(order.items()))

    (pool,) = pool_series(list(order.values()))
    names = dict(zip(order, named(list(order.values())), strict=True))

    assert len(pool.instances.items) == len(CHAIN)
    assert names["lower"] == CHAIN[2:]
    assert names["upper"] == (*CHAIN[:6], *(None,) * slivers)


def test_columns_that_differ_where_a_series_sees_nothing_are_none_to_it() -> None:
    (pool,) = pool_series([column(CHAIN[:5]), column(CHAIN[3:])])
    skipped = ("T10", "T11", *CHAIN[2:])
    lower = ("T10", "T11", "T12", "L1", "L2", "L3", "L4", "sacrum")
    sure = (0.9,) * len(CHAIN)
    naming = Naming(CHAIN, sure, ((skipped, 0.3), (lower, 0.1)), False, None, ())

    assert pool.share_out(naming, 0).alternatives == ((skipped[:5], 0.3), (lower[:5], 0.1))
    assert pool.share_out(naming, 1).alternatives == ((lower[3:], 0.1),)


def test_a_bone_lies_where_the_series_that_shows_most_of_it_has_it() -> None:
    larger, lower = column(CHAIN[:5]), column(CHAIN[4:])
    items = list(larger.instances.items)
    i, j, k = items[-1].centroid_ijk
    items[-1] = replace(items[-1], centroid_ijk=(i, j, k + 6.0), partial=True)
    cut = replace(larger, instances=replace(larger.instances, items=tuple(items)))

    def place(series: list[SeriesColumn], n: int) -> tuple[float, float, float]:
        (pool,) = pool_series(series)
        return pool.instances.items[n].centroid_ijk

    assert place([cut, lower], 4) == pytest.approx(place([larger, lower], 4))
    assert place([cut, lower], 3) == pytest.approx(place([larger, lower], 3))


@pytest.mark.parametrize("copies", [1, 3, 6])
def test_a_localizer_is_one_witness_however_many_series_it_is_asked_for(copies: int) -> None:
    levels = CHAIN[1:6]
    said = np.log(np.array([bump(level, flat=0.4) for level in levels]) * len(LEVELS)) / len(levels)
    views = [replace(column(levels), outside=said)]
    for n in range(1, copies):
        part = slice(n % 2, len(levels) - 1 + n % 2)
        of_part = said[part] * len(levels) / len(said[part])
        views.append(replace(column(levels[part]), outside=of_part))

    (pool,) = pool_series(views)

    assert pool.outside is not None
    np.testing.assert_allclose(pool.outside, said)


def test_a_localizer_heard_by_series_one_below_the_other_is_one_witness() -> None:
    upper, lower = CHAIN[:5], CHAIN[3:]
    word = 2.7
    views = [
        replace(column(levels), outside=np.full((len(levels), len(LEVELS)), word / len(levels)))
        for levels in (upper, lower)
    ]

    (pool,) = pool_series(views)

    assert pool.outside is not None
    assert pool.outside[:, 0].sum() == pytest.approx(word)

"""Every pair of schemes, and what each direction loses."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spinekit.anatomy.column import LEVELS, Variant
from spinekit.anatomy.scheme import NAMES, VALUES, disc_name, load_scheme, scheme_names
from spinekit.core.errors import UsageError
from spinekit.curation.translation import translate

PAIRS = list(product(scheme_names(), scheme_names()))


def column(thoracic: int = 12, lumbar: int = 5) -> np.ndarray:
    """Our values of a whole spine, one voxel each, with canal and cord."""
    levels = Variant(thoracic, lumbar).levels
    names = [*levels, "spinal_cord", "spinal_canal"]
    pairs = pairwise(levels[1:])
    names += [disc_name(above, below) for above, below in pairs]
    return np.array([VALUES[name] for name in names], np.uint8).reshape(-1, 1, 1)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_there_and_back_keeps_what_both_can_say(first: str, second: str) -> None:
    a, b = load_scheme(first), load_scheme(second)
    start, _ = a.convert(column())

    there = translate(start, a, b)
    back = translate(there.labels, b, a)

    lost = {row.name for row in there.lost}
    ours, unknown = a.read(start)
    assert unknown == ()
    for before, name, after in zip(
        start.ravel(), (NAMES.get(int(v)) for v in ours.ravel()), back.labels.ravel(), strict=True
    ):
        if before and name not in lost:
            assert after == before, name
    assert back.lost == () or {row.name for row in back.lost} <= lost | {"spinal_canal"}


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_every_voxel_is_kept_or_accounted_for(first: str, second: str) -> None:
    a, b = load_scheme(first), load_scheme(second)
    start, _ = a.convert(column())

    result = translate(start, a, b)

    gone = sum(row.voxels for row in result.lost if row.reason.startswith("no-"))
    assert np.count_nonzero(start) == np.count_nonzero(result.labels) + gone


@pytest.mark.parametrize("name", [n for n in scheme_names() if n != "spider"])
@pytest.mark.parametrize(("thoracic", "lumbar"), [(11, 5), (13, 5), (12, 4), (12, 6)])
def test_unusual_columns_come_back_from_every_scheme(name: str, thoracic: int, lumbar: int) -> None:
    scheme, ours = load_scheme(name), column(thoracic, lumbar)

    theirs, _ = scheme.convert(ours)
    back, unknown = scheme.read(theirs)

    assert unknown == ()
    assert (back[theirs > 0] == ours[theirs > 0]).all()


@pytest.mark.parametrize(("lumbar", "lowest"), [(4, "L4"), (5, "L5"), (6, "L6")])
def test_spider_counts_from_the_vertebra_named_as_lowest(lumbar: int, lowest: str) -> None:
    ours = column(12, lumbar)
    scheme = load_scheme("spider")

    theirs, _ = scheme.convert(ours)
    back, _ = scheme.read(theirs, lowest=lowest)

    said = (theirs > 0) & (ours != VALUES["spinal_cord"])
    assert theirs[ours == VALUES[lowest]] == 1
    assert (back[said] == ours[said]).all()


def test_spider_values_as_published() -> None:
    theirs = np.array([1, 2, 6, 101, 100, 201, 205, 24, 99], np.int32)

    ours, unknown = load_scheme("spider").read(theirs)

    names = [NAMES[int(v)] for v in ours if v]
    assert names == ["L5", "L4", "T12", "L5", "spinal_canal", "L5-S1", "L1-L2", "C1"]
    assert [(row.name, row.voxels) for row in unknown] == [("99", 1)]


def test_losses_say_why() -> None:
    ours = np.array([45, 1, 2, 250], np.uint8)

    result = translate(ours, load_scheme("spinekit"), load_scheme("spider"))

    reasons = {row.name: row.reason for row in result.lost}
    assert reasons == {"spinal_cord": "merged", "spinal_canal": "merged", "disc_20": "no-value"}
    assert {row.name for row in result.kept} == {"L5", "spinal_cord", "spinal_canal"}


def test_a_column_that_counting_cannot_say_is_renamed() -> None:
    ours = np.array([VALUES[name] for name in ("T10", "T11", "T11-L1", "L1", "L4")], np.uint8)

    result = translate(ours, load_scheme("spinekit"), load_scheme("spider"))

    assert [(row.name, row.reason) for row in result.lost] == [
        ("T10", "renamed"),
        ("T11", "renamed"),
    ]


def test_vertebrae_that_were_missed_move_no_others() -> None:
    ours = np.array([VALUES[name] for name in ("T12", "L1", "L2", "L4", "L5")], np.uint8)

    result = translate(ours, load_scheme("spinekit"), load_scheme("spider"))

    assert result.lost == ()


def test_the_lowest_vertebra_must_be_one() -> None:
    with pytest.raises(UsageError, match="no vertebra"):
        load_scheme("spider").read(np.ones(3, np.uint8), lowest="sacrum")


def test_nothing_gives_nothing() -> None:
    result = translate(np.zeros((2, 2, 2), int), load_scheme("spider"), load_scheme("gliwa"))

    assert not result.labels.any()
    assert (result.kept, result.lost) == ((), ())


@settings(max_examples=60)
@given(st.data())
def test_a_stretch_of_any_column_survives_the_trip(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([n for n in scheme_names() if n != "spider"]))
    whole = column(data.draw(st.sampled_from([11, 12, 13])), data.draw(st.sampled_from([4, 5, 6])))
    keep = data.draw(st.sets(st.sampled_from(LEVELS), min_size=1))
    discs = {
        v for v in VALUES.values()
        if set(NAMES[v].replace("S1", "sacrum").split("-")) <= keep
    }  # fmt: skip
    ours = np.where(np.isin(whole, [*discs, *(VALUES[n] for n in keep)]), whole, 0)

    theirs, _ = load_scheme(name).convert(ours)
    back, _ = load_scheme(name).read(theirs)

    assert (back[theirs > 0] == ours[theirs > 0]).all()


def test_what_becomes_one_structure_on_reading_is_told() -> None:
    """SPIDER numbers the lowest vertebra 1, and 101 where it is only partly in view."""
    label_map = np.array([1, 1, 101, 201], np.uint8).reshape(-1, 1, 1)

    found = translate(label_map, load_scheme("spider"), load_scheme("spinekit"))

    assert [(row.name, row.source, row.voxels) for row in found.kept] == [
        ("L5", 1, 3), ("L5-S1", 201, 1)]  # fmt: skip
    assert [(row.name, row.source, row.voxels, row.reason) for row in found.lost] == [
        ("L5", 101, 1, "merged")]  # fmt: skip

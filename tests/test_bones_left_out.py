"""Masks that mark some vertebrae of a column alone, with names: each keeps its own."""

from functools import cache

import numpy as np
import pytest

from spinekit.anatomy.parts import BODY
from spinekit.anatomy.scheme import NAMES, VALUES, kind_of_value
from spinekit.bones import Adopted, describe_bones, name_given, name_parts
from spinekit.core.grid import Grid
from spinekit.labelling.numbers import read_given
from spinekit.report import recall_evidence
from spinekit.synth.phantom import Phantom, draw_phantom

SPACING_MM = (4.0, 1.2, 1.2)
LOIN = [
    "T11 T12 L1 L2 L3 L4 L5 sacrum",
    "T12 L1 L2 L4 L5 sacrum",
    "T12 L1 L4 L5 sacrum",
    "T12 L4 L5 sacrum",
    "T12 L1 L5 sacrum",
    "L1 L5 sacrum",
    "T11 T12 L4 L5",
    "L2 L3 L4",
]
NECK = [
    "C2 C3 C4",
    "C2 C3 C4 C5",
    "C1 C2 C3 C4",
    "C1 C2 C3",
    "C3 C4 C5 C6",
    "C1 C2 C6 C7",
    "C2 C3 C7 T1",
    "C3 C4 C5 C6 C7 T1",
]


@cache
def column(seed: int, fov: str) -> Phantom:
    return draw_phantom(seed, fov=fov, spacing_mm=SPACING_MM, anomalies=())


def mask_of(phantom: Phantom, names: list[str]) -> np.ndarray:
    kept = np.isin(phantom.labels, [VALUES[name] for name in names])
    return np.where(kept, phantom.labels, 0).astype(np.uint8)


def named(mask: np.ndarray, grid: Grid) -> Adopted:
    return name_given(read_given("mask.nii.gz", mask, "spinekit"), grid)[0]


@pytest.mark.parametrize(
    ("seed", "fov", "marked"),
    [
        *((900011, "lumbar", marked) for marked in LOIN),
        *((900013, "cervical", marked) for marked in NECK),
    ],
)
def test_what_is_marked_keeps_its_name(seed: int, fov: str, marked: str) -> None:
    phantom = column(seed, fov)
    mask = mask_of(phantom, marked.split())

    adopted = named(mask, phantom.grid)

    assert [row.name for row in adopted.named] == marked.split()
    np.testing.assert_array_equal(adopted.labels, mask)


def cut_below_top(phantom: Phantom, name: str, names: list[str]) -> tuple[np.ndarray, Grid]:
    """A mask whose upper edge takes the uppermost millimetres of a vertebra."""
    mask = mask_of(phantom, names)
    top = int(np.flatnonzero((mask == VALUES[name]).any(axis=(0, 1)))[-1]) - 1
    mask = mask[:, :, :top]
    return mask, Grid((mask.shape[0], mask.shape[1], mask.shape[2]), phantom.grid.affine)


@pytest.mark.parametrize("marked", ["T11 L4 L5", "T12 L4 L5 sacrum", "T11 L3 L4 L5 sacrum"])
def test_a_bone_at_the_edge_far_from_the_others_stays_where_it_is(marked: str) -> None:
    names = marked.split()
    phantom = column(900011, "lumbar")
    mask, grid = cut_below_top(phantom, names[0], names)

    adopted = named(mask, grid)

    assert [row.name for row in adopted.named] == names
    first = adopted.instances.items[0]
    assert first.partial
    assert first.volume_mm3 > 5000
    assert (adopted.kept[mask == VALUES[names[0]]] == BODY).any()


def test_bodies_that_do_not_touch_stay_apart_below_the_dens() -> None:
    phantom = column(900013, "cervical")
    names = ["C2", "C3", "C4", "C5"]
    bodies = np.where(phantom.parts == BODY, mask_of(phantom, names), 0).astype(np.uint8)

    adopted, _ = name_parts((bodies > 0).astype(np.uint8), phantom.grid)

    bore = [np.unique(adopted.labels[bodies == VALUES[name]]).tolist() for name in names]
    assert all(len(values) == 1 for values in bore)
    assert len({value for (value,) in bore}) == len(names)


def test_the_report_tells_that_a_mask_told_bones_apart() -> None:
    phantom = column(900011, "lumbar")
    adopted = named(mask_of(phantom, ["T12", "L4", "L5", "sacrum"]), phantom.grid)

    again, _, names = recall_evidence(describe_bones(adopted, None))

    assert again.told_apart
    assert names == tuple(row.name for row in adopted.named)


def test_every_kind_is_named_without_a_gap() -> None:
    phantom = column(900011, "lumbar")
    present = [NAMES[int(v)] for v in np.unique(phantom.labels) if v]
    bones = [name for name in present if kind_of_value(VALUES[name]) in ("vertebra", "sacrum")]
    whole = [name for name in bones if name not in ("T9", "T10")]

    adopted = named(mask_of(phantom, whole), phantom.grid)

    assert [row.name for row in adopted.named] == whole

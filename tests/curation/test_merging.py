"""Masks into one map: who wins, what is written down."""

from pathlib import Path

import numpy as np
import pytest

from spinekit.anatomy.scheme import VALUES
from spinekit.core.errors import InputError
from spinekit.core.grid import Grid
from spinekit.core.volume import Volume
from spinekit.curation.layer import Layer
from spinekit.curation.merging import Conflict, merge_layers, name_nearest
from spinekit.datasets.case import MaskFile

SHAPE = (1, 1, 10)


def line(*spans: tuple[int, int, int]) -> np.ndarray:
    array = np.zeros(SHAPE, np.uint8)
    for start, stop, value in spans:
        array[..., start:stop] = value
    return array


def layer(name: str, array: np.ndarray, values: dict[int, str], *, binary: bool = False) -> Layer:
    mask = MaskFile(Path(name), values, binary=binary)
    return Layer(mask, Volume(array, Grid(SHAPE, np.eye(4))), values)


def binary(name: str, start: int, stop: int) -> Layer:
    return layer(f"{name}.nii", line((start, stop, 1)), {1: name}, binary=True)


def test_nine_masks_become_one_map() -> None:
    names = ["L1", "L2", "L3", "L4", "L5", "L1-L2", "L2-L3", "L3-L4", "L4-L5"]
    layers = [binary(name, n, n + 1) for n, name in enumerate(names)]

    merged = merge_layers(layers, SHAPE, rule="error")

    assert merged.labels.ravel().tolist() == [*(VALUES[name] for name in names), 0]
    assert (merged.conflicts, merged.losses) == ([], [])


@pytest.mark.parametrize(
    ("rule", "winner"), [("smaller", "L4-L5"), ("first", "L4"), ("last", "L4-L5")]
)
def test_a_contested_voxel_goes_by_the_rule(rule: str, winner: str) -> None:
    layers = [binary("L4", 0, 6), binary("L4-L5", 5, 8)]

    merged = merge_layers(layers, SHAPE, rule=rule)

    assert merged.labels[0, 0, 5] == VALUES[winner]
    (conflict,) = merged.conflicts
    assert {conflict.first, conflict.second} == {"L4", "L4-L5"}
    assert (conflict.voxels, conflict.winner) == (1, winner)


def test_order_does_not_matter_to_the_smaller() -> None:
    layers = [binary("L4", 0, 6), binary("L4-L5", 5, 8), binary("L5", 7, 10)]

    a = merge_layers(layers, SHAPE, rule="smaller")
    b = merge_layers(layers[::-1], SHAPE, rule="smaller")

    assert (a.labels == b.labels).all()


def test_a_conflict_can_be_refused() -> None:
    with pytest.raises(InputError, match="L4 and L4-L5 claim the same 1 voxels"):
        merge_layers([binary("L4", 0, 6), binary("L4-L5", 5, 8)], SHAPE, rule="error")


def test_the_cord_lies_in_the_canal() -> None:
    layers = [binary("cord", 4, 6), binary("canal", 2, 8)]

    merged = merge_layers(layers, SHAPE, rule="error")

    assert merged.labels.ravel().tolist() == [0, 0, 2, 2, 1, 1, 2, 2, 0, 0]


def test_tissue_fills_where_no_name_is() -> None:
    tissues = {7: "vertebra", 3: "disc", 4: "canal"}
    parts = layer("parts", line((0, 4, 7), (4, 6, 3), (6, 8, 4)), tissues)
    names = layer("names", line((0, 3, 44), (4, 5, 95), (9, 10, 141)), {44: "L4", 95: "L4-L5"})

    merged = merge_layers([parts, names], SHAPE, rule="error")

    assert merged.labels.ravel().tolist() == [44, 44, 44, 0, 95, 0, 2, 2, 0, 0]
    assert merged.parts.ravel().tolist() == [0, 0, 0, 7, 0, 3, 0, 0, 0, 0]
    assert [(row["name"], row["reason"]) for row in merged.losses] == [("141", "no-meaning")]
    assert name_nearest(merged, (1.0, 1.0, 1.0)) == 2
    assert merged.labels.ravel().tolist() == [44, 44, 44, 44, 95, 95, 2, 2, 0, 0]


def test_a_bone_in_a_disc_is_a_conflict() -> None:
    layers = [binary("L4-L5", 0, 5), binary("vertebra", 3, 8)]

    merged = merge_layers(layers, SHAPE, rule="smaller")

    assert merged.conflicts == [Conflict("L4-L5", "vertebra", 2, "L4-L5")]


def test_a_name_of_the_sets_own_is_a_loss() -> None:
    kidney = layer("m", line((0, 2, 1)), {1: "left_kidney"})

    merged = merge_layers([kidney], SHAPE, rule="error")

    assert not merged.labels.any()
    assert merged.losses[0]["reason"] == "unknown-name"


def test_negative_values_have_no_meaning() -> None:
    array = line((0, 4, 44)).astype(np.int16) - line((6, 8, 44)).astype(np.int16)

    merged = merge_layers([layer("names", array, {44: "L4"})], SHAPE, rule="smaller")

    assert [(row["name"], row["reason"]) for row in merged.losses] == [("-44", "no-meaning")]


def test_no_mask_gives_zeros() -> None:
    assert not merge_layers([], SHAPE, rule="error").labels.any()

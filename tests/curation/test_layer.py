"""Masks of points are told from outlines."""

from pathlib import Path

import numpy as np
import pytest

from spinekit.core.grid import Grid
from spinekit.core.volume import Volume
from spinekit.curation.layer import Layer
from spinekit.datasets.case import MaskFile


def layer(array: np.ndarray) -> Layer:
    return Layer(MaskFile(Path("mask.nii.gz"), {}), Volume(array, Grid(array.shape, np.eye(4))), {})


def numbered(count: int) -> np.ndarray:
    """(8, 8, 8) values 1, 2, … of one voxel each, on 0."""
    array = np.zeros(512, np.int16)
    array[:count] = np.arange(1, count + 1)
    return array.reshape(8, 8, 8)


@pytest.mark.parametrize("count", [2, 23, 255])
def test_values_of_one_voxel_each_are_points(count: int) -> None:
    assert layer(numbered(count)).is_points


def test_one_value_and_none_are_no_points() -> None:
    assert not layer(numbered(1)).is_points
    assert not layer(numbered(0)).is_points


def test_a_value_of_two_voxels_outlines() -> None:
    array = numbered(23)
    array[-1, -1, -1] = 5

    assert not layer(array).is_points


def test_more_voxels_than_values_of_8_bits_are_not_counted_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    filled = layer(np.ones((8, 8, 8), np.uint8))
    monkeypatch.setattr(np, "unique", None)

    assert not filled.is_points

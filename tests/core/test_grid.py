import itertools

import nibabel as nib
import numpy as np
import pytest

from spinekit.core.errors import GeometryError
from spinekit.core.grid import Grid, closest_axes
from spinekit.core.volume import Volume


def signed_permutations() -> list[np.ndarray]:
    """The 48 orientations as matrices."""
    return [
        np.eye(3)[:, list(order)] * np.array(signs)
        for order in itertools.permutations(range(3))
        for signs in itertools.product((1, -1), repeat=3)
    ]


def affine_of(matrix: np.ndarray, origin: tuple[float, ...] = (0, 0, 0)) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = matrix
    affine[:3, 3] = origin
    return affine


def test_there_are_48_orientations_and_nibabel_agrees_on_each() -> None:
    seen = set()
    for matrix in signed_permutations():
        grid = Grid((2, 3, 4), affine_of(matrix * [4, 1, 0.5]))
        assert grid.orientation == "".join(nib.aff2axcodes(grid.affine))
        seen.add(grid.orientation)
    assert len(seen) == 48


def test_positions_agree_with_a_loop_over_matrix_products() -> None:
    affine = affine_of([[0, 0.1, 3], [-1.2, 0, 0.2], [0, 1.1, 0]], (5, -7, 11))
    grid = Grid((4, 5, 6), affine)
    points = [(0, 0, 0), (3, 4, 5), (1.5, -2, 0.25)]
    expected = [
        [sum(affine[r, c] * (*p, 1)[c] for c in range(4)) for r in range(3)] for p in points
    ]
    np.testing.assert_allclose(grid.ijk_to_ras(points), expected)
    np.testing.assert_allclose(grid.ras_to_ijk(expected), points, atol=1e-12)
    assert grid.ijk_to_ras([]).shape == (0, 3)


def test_spacing_size_and_voxel_volume_are_in_mm() -> None:
    grid = Grid((10, 20, 30), affine_of(np.diag([-4, 1, 0.5])))
    assert grid.spacing_mm == (4, 1, 0.5)
    assert grid.size_mm == (40, 20, 15)
    assert grid.voxel_mm3 == pytest.approx(2)


def test_every_anatomical_axis_is_used_once_even_at_45_degrees() -> None:
    half = np.sqrt(0.5)
    affine = affine_of([[half, half, 0], [half, half + 1e-6, 0.1], [0, -0.1, 1]])
    assert sorted(axis for axis, _ in closest_axes(affine)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("shape", "affine", "code"),
    [
        ((0, 2, 2), np.eye(4), "grid-shape"),
        ((2, 2), np.eye(4), "grid-shape"),
        ((2, 2, 2), np.eye(3), "affine-invalid"),
        ((2, 2, 2), np.full((4, 4), np.nan), "affine-invalid"),
        ((2, 2, 2), np.ones((4, 4)), "affine-invalid"),
        ((2, 2, 2), np.diag([1, 0, 1, 1]), "zero-spacing"),
        ((2, 2, 2), affine_of([[1, 1, 0], [0, 0, 0], [0, 0, 1]]), "affine-singular"),
    ],
)
def test_no_invalid_grid_exists(shape: tuple[int, ...], affine: np.ndarray, code: str) -> None:
    with pytest.raises(GeometryError) as caught:
        Grid(shape, affine)  # type: ignore[arg-type]
    assert caught.value.code == code


def test_grid_keeps_its_own_read_only_affine() -> None:
    affine = np.eye(4)
    grid = Grid((2, 2, 2), affine)
    affine[0, 3] = 9
    assert grid.affine[0, 3] == 0
    with pytest.raises(ValueError, match="read-only"):
        grid.affine[0, 0] = 2


def test_equality_is_exact_and_closeness_is_not() -> None:
    grid = Grid((2, 3, 4), np.eye(4))
    near = Grid((2, 3, 4), affine_of(np.eye(3), (1e-5, 0, 0)))
    assert grid == Grid((2, 3, 4), np.eye(4))
    assert hash(grid) == hash(Grid((2, 3, 4), np.eye(4) * [1, 1, 1, 1]))
    assert grid != near
    assert grid.is_close(near)
    assert not grid.is_close(Grid((2, 3, 4), affine_of(np.eye(3), (0.1, 0, 0))))
    assert not grid.is_close(Grid((2, 3, 5), np.eye(4)))
    assert grid != "a grid"


def test_shear_is_seen_and_float32_rounding_is_not() -> None:
    angle = np.deg2rad(20)
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    assert not Grid((2, 2, 2), affine_of((turn * [4, 1, 0.5]).astype(np.float32))).is_sheared
    assert Grid((2, 2, 2), affine_of([[1, 0, 0], [0.05, 1, 0], [0, 0, 1]])).is_sheared


def test_volume_has_its_grids_shape() -> None:
    grid = Grid((2, 3, 4), np.eye(4))
    volume = Volume(np.zeros((2, 3, 4)), grid)
    assert volume.shape == (2, 3, 4)
    assert volume.spacing_mm == (1, 1, 1)
    with pytest.raises(GeometryError, match="shape"):
        Volume(np.zeros((2, 3)), grid)

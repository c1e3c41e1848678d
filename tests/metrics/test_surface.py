import math

import numpy as np
import pytest
from scipy import ndimage

from spinekit.metrics.surface import bounding_box, measure_surface_distances


def plates(first, second, *, axis=2, size=20):
    """Two half spaces within an array: their only surfaces are one plane each."""
    index = np.indices((size, size, size))[axis]
    return index < first, index < second


@pytest.mark.parametrize(("axis", "step"), [(0, 4.0), (1, 1.0), (2, 0.5)])
def test_parallel_planes_are_as_far_apart_as_their_offset(axis, step):
    pred, ref = plates(8, 11, axis=axis)
    distances = measure_surface_distances(pred, ref, (4.0, 1.0, 0.5))
    assert distances.assd_mm == pytest.approx(3 * step)
    assert distances.hd95_mm == pytest.approx(3 * step)


def test_equal_masks_have_no_distance():
    mask = np.zeros((9, 9, 9), dtype=bool)
    mask[2:6, 3:7, 1:8] = True
    distances = measure_surface_distances(mask, mask, (4.0, 1.0, 1.0))
    assert (distances.assd_mm, distances.hd95_mm) == (0.0, 0.0)


def test_missing_mask_has_no_distance():
    mask = np.ones((3, 3, 3), dtype=bool)
    mask[0] = False
    empty = np.zeros_like(mask)
    for pair in ((mask, empty), (empty, mask), (empty, empty)):
        assert math.isnan(measure_surface_distances(*pair, (1.0, 1.0, 1.0)).assd_mm)


def test_sides_of_a_slab_are_no_surface():
    slab = np.zeros((3, 12, 12), dtype=bool)
    slab[:, 4:8, 4:8] = True
    wider = np.pad(slab, ((2, 2), (0, 0), (0, 0)), mode="edge")
    shifted, wider_shifted = np.roll(slab, 2, axis=1), np.roll(wider, 2, axis=1)
    thin = measure_surface_distances(shifted, slab, (4.0, 1.0, 1.0))
    thick = measure_surface_distances(wider_shifted, wider, (4.0, 1.0, 1.0))
    assert thin.assd_mm == pytest.approx(thick.assd_mm)


def test_each_surface_counts_by_its_area():
    # Top faces 1 mm² each and 2 mm off, side faces 4 mm² each and 0 mm off, sides i cut.
    ref = np.zeros((1, 6, 12), dtype=bool)
    ref[:, 2:4, :6] = True
    pred = ref.copy()
    pred[:, 2:4, 6:8] = True
    distances = measure_surface_distances(pred, ref, (4.0, 1.0, 1.0))
    # Reference: 2 columns × 6 rows; each row shows one side face per column, the last also its top.
    # All of it has distance 0 but the top, whose sides belong to the prediction too.
    ref_area, pred_area = 4.0 * (12 + 2), 4.0 * (16 + 2)
    pred_sum = 4.0 * (2 * 1.0 + 2 * 2.0) + 4.0 * 2 * 2.0
    assert distances.assd_mm == pytest.approx(pred_sum / (ref_area + pred_area))


def test_one_stray_voxel_moves_the_mean_but_not_the_95th_percentile():
    ref = np.zeros((30, 30, 60), dtype=bool)
    ref[5:25, 5:25, 5:25] = True
    pred = ref.copy()
    pred[15, 15, 55] = True
    distances = measure_surface_distances(pred, ref, (1.0, 1.0, 1.0))
    assert distances.hd95_mm == 0.0
    assert 0.0 < distances.assd_mm < 0.1


def test_cut_at_the_region_is_no_surface():
    ref = np.zeros((5, 10, 30), dtype=bool)
    ref[:, 3:7, 10:20] = True
    pred = ref.copy()
    pred[:, 3:7, 20:28] = True
    where = np.zeros_like(ref)
    where[:, :, 5:18] = True
    assert measure_surface_distances(pred, ref, (1.0, 1.0, 1.0), where=where).assd_mm == 0.0


def test_agrees_with_all_pairs_of_surface_voxels():
    rng = np.random.default_rng(3)
    masks = [ndimage.gaussian_filter(rng.normal(size=(12, 14, 13)), 2) > 0.02 for _ in range(2)]
    spacing = np.array([3.0, 0.8, 1.1])
    surfaces, weights = [], []
    for mask in masks:
        points, areas = [], []
        for voxel in np.argwhere(mask):
            area = 0.0
            for axis in range(3):
                for sign in (-1, 1):
                    near = voxel.copy()
                    near[axis] += sign
                    if 0 <= near[axis] < mask.shape[axis] and not mask[tuple(near)]:
                        area += spacing.prod() / spacing[axis]
            if area:
                points.append(voxel * spacing)
                areas.append(area)
        surfaces.append(np.array(points))
        weights.append(np.array(areas))
    gaps = np.linalg.norm(surfaces[0][:, None] - surfaces[1][None], axis=2)
    total = (gaps.min(axis=1) * weights[0]).sum() + (gaps.min(axis=0) * weights[1]).sum()
    expected = total / (weights[0].sum() + weights[1].sum())
    found = measure_surface_distances(masks[0], masks[1], (3.0, 0.8, 1.1))
    assert found.assd_mm == pytest.approx(expected)
    assert found.hd95_mm <= gaps.max()


def test_bounding_box_keeps_to_the_array():
    mask = np.zeros((5, 6, 7), dtype=bool)
    mask[0, 2:4, 6] = True
    box = bounding_box(mask, margin=1)
    assert mask[box].sum() == mask.sum()
    assert mask[box].shape == (2, 4, 2)
    assert bounding_box(np.zeros((2, 2, 2), dtype=bool)) is None

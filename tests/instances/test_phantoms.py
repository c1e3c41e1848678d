"""Drawn spines with the blur and noise of a network come back instance by instance."""

import numpy as np
import pytest
from scipy import ndimage

from instances.toys import BODY, DISC, POSTERIOR, overlap
from spinekit.anatomy.scheme import SACRUM_VALUE, VALUES
from spinekit.instances import split_instances
from spinekit.synth.phantom import draw_phantom

SCANS = [
    (1000, "lumbar", None),
    (1012, "lumbar", ("L6",)),
    (1014, "cervical", ("missing-disc",)),
    (1013, "thoracolumbar", ("scoliosis",)),
]


def _blurred(parts, seed):
    rng = np.random.default_rng(seed)
    probs = np.stack(
        [ndimage.gaussian_filter((parts == n).astype(np.float32), (0, 0.7, 0.7)) for n in range(7)]
    )
    probs += 0.07 * np.abs(rng.standard_normal(probs.shape, dtype=np.float32))
    return (probs / probs.sum(axis=0)).astype(np.float16)


@pytest.mark.parametrize(("seed", "fov", "anomalies"), SCANS)
def test_bodies_discs_and_posterior_elements_match_the_drawing(seed, fov, anomalies):
    phantom = draw_phantom(seed, fov=fov, spacing_mm=(4.0, 1.2, 1.2), anomalies=anomalies)
    parts, labels = phantom.parts, phantom.labels
    result = split_instances(_blurred(parts, seed), phantom.grid.spacing_mm)
    voxel_mm3 = float(np.prod(phantom.grid.spacing_mm))
    order = []
    rear_right, rear_all = 0, 0
    for value in np.unique(labels[parts == BODY]):
        body = (labels == value) & (parts == BODY)
        if value in (0, SACRUM_VALUE) or body.sum() * voxel_mm3 < 500:
            continue
        index = np.bincount(result.vertebra_map[body]).argmax()
        found = (result.vertebra_map == index) & (result.parts == BODY)
        assert index > 0
        assert overlap(found, body) > 0.65
        order.append(index)
        rear = (labels == value) & (parts == POSTERIOR)
        rear_right += int((result.vertebra_map[rear] == index).sum())
        rear_all += int(rear.sum())
    assert order == sorted(set(order))
    assert len(order) >= sum(item.volume_mm3 >= 700 for item in _vertebrae(result))
    assert rear_right > 0.75 * rear_all
    for value in np.unique(labels[parts == DISC]):
        disc = (labels == value) & (parts == DISC)
        if value in (0, SACRUM_VALUE) or disc.sum() * voxel_mm3 < 800:
            continue
        index = np.bincount(result.disc_map[disc]).argmax()
        assert index > 0
        assert overlap(result.disc_map == index, disc) > 0.6


@pytest.mark.parametrize(
    ("seed", "plane"), [(1014, "sagittal"), (1021, "sagittal"), (1014, "isotropic")]
)
def test_a_ring_of_posterior_elements_around_the_dens_is_c1(seed, plane):
    phantom = draw_phantom(seed, fov="cervical", plane=plane, anomalies=())
    atlas = phantom.labels == VALUES["C1"]
    arch = atlas & (phantom.parts == BODY)
    assert arch.any()
    seen = np.where(atlas & (phantom.parts > 0), POSTERIOR, phantom.parts)
    result = split_instances(_blurred(seen, seed), phantom.grid.spacing_mm)
    first, second = _vertebrae(result)[:2]
    assert overlap(result.vertebra_map == first.index, atlas) > 0.85
    body = result.parts == BODY
    assert overlap(body & (result.vertebra_map == first.index), arch) > 0.7
    axis = (phantom.labels == VALUES["C2"]) & (phantom.parts == BODY)
    assert overlap(body & (result.vertebra_map == second.index), axis) > 0.85


def test_arches_before_bodies_of_a_loin_are_no_c1():
    phantom = draw_phantom(1000, fov="lumbar", spacing_mm=(4.0, 1.2, 1.2), anomalies=())
    plain = split_instances(_blurred(phantom.parts, 1), phantom.grid.spacing_mm)
    parts = phantom.parts.copy()
    where = np.argwhere(parts == BODY)
    top, front = where[:, 2].max() - 12, where[where[:, 2] > where[:, 2].max() - 20, 1].max() + 3
    middle = parts.shape[0] // 2
    parts[middle - 2 : middle + 2, front : front + 6, top : top + 8] = POSTERIOR
    result = split_instances(_blurred(parts, 1), phantom.grid.spacing_mm)
    assert len(_vertebrae(result)) == len(_vertebrae(plain))


def _vertebrae(result):
    return [item for item in result.items if item.kind == "vertebra"]

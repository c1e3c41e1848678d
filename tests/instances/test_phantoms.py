"""Drawn spines with the blur and noise of a network come back instance by instance."""

import numpy as np
import pytest
from scipy import ndimage

from instances.toys import BODY, DISC, POSTERIOR, overlap
from spinekit.anatomy.scheme import SACRUM_VALUE
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


def _vertebrae(result):
    return [item for item in result.items if item.kind == "vertebra"]

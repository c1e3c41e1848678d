"""Published masks of lumbar spines with disease keep their vertebrae apart."""

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from instances.toys import BODY, CANAL, DISC, POSTERIOR, overlap, probabilities
from spinekit.anatomy.scheme import VALUES
from spinekit.instances import split_instances

FOLDER = Path(os.environ.get("SPINEKIT_REAL_DATA", "../shared/data/real")) / "labels"
FILES = sorted(FOLDER.glob("spider*_parts.nii.gz"))[::8]


def _split_bone(mask):
    """Parts of a mask that does not tell bodies from posterior elements: bodies lie in front."""
    canal = mask == 4
    rows = canal.sum(axis=0)
    front = np.full(mask.shape[2], np.nan)
    for k in np.flatnonzero(rows.any(axis=0)):
        front[k] = np.flatnonzero(rows[:, k] >= 0.25 * rows[:, k].max()).max()
    known = np.flatnonzero(np.isfinite(front))
    front = np.interp(np.arange(len(front)), known, front[known])
    ahead = np.arange(mask.shape[1])[None, :, None] > front[None, None, :] - 1
    parts = np.where(mask == 3, DISC, np.where(canal, CANAL, 0))
    return np.where(mask == 7, np.where(ahead, BODY, POSTERIOR), parts).astype(np.uint8)


@pytest.mark.skipif(not FILES, reason="real scans are not here")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.split("_")[0])
def test_each_body_is_one_instance(path):
    image = nib.load(path)
    parts = _split_bone(np.asarray(image.dataobj).astype(np.uint8))
    names = np.asarray(nib.load(str(path).replace("_parts", "_names")).dataobj).astype(int)
    spacing = tuple(float(size) for size in image.header.get_zooms())
    result = split_instances(probabilities(parts), spacing)
    found = []
    for value in range(VALUES["T9"], VALUES["L6"] + 1):
        body = (names == value) & (parts == BODY)
        if body.sum() * np.prod(spacing) < 2000:
            continue
        index = np.bincount(result.vertebra_map[body]).argmax()
        assert overlap((result.vertebra_map == index) & (result.parts == BODY), body) > 0.9
        found.append(index)
    assert found == sorted(set(found))
    assert len(found) >= 5

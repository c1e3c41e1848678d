"""Names for what a mask tells apart."""

import numpy as np
import pytest

from instances.toys import BODY, DISC, NECK, draw, draw_ring
from spinekit.anatomy.scheme import NAMES, VALUES, kind_of_value
from spinekit.bones import name_given
from spinekit.core.grid import Grid
from spinekit.labelling.numbers import read_given
from spinekit.synth.phantom import draw_phantom


@pytest.mark.parametrize("height", [11, 16], ids=["usual", "tall"])
def test_the_ring_around_the_dens_keeps_its_name(height: int) -> None:
    parts, truth = draw(NECK)
    dens, arch, rest = draw_ring(height)
    mask = np.zeros(parts.shape, np.uint8)
    for n, name in enumerate(("C2", "C3", "C4", "C5"), start=1):
        mask[(truth == n) & (parts != DISC)] = VALUES[name]
    mask[dens] = VALUES["C2"]
    mask[arch | rest] = VALUES["C1"]
    grid = Grid((mask.shape[0], mask.shape[1], mask.shape[2]), np.diag([*NECK.spacing, 1.0]))

    adopted, told = name_given(read_given("mask.nii.gz", mask, "spinekit"), grid)

    np.testing.assert_array_equal(adopted.labels, mask)
    assert adopted.named[0].name == "C1"
    assert (adopted.kept[rest] != BODY).all()
    assert told.notices == ()


@pytest.mark.parametrize("seed", [900101, 900103], ids=["neck", "loin"])
def test_a_margin_around_a_mask_changes_no_name(seed: int) -> None:
    """Below the neck, and above the loin, a piece of an arch is all that is in view of a bone."""
    phantom = draw_phantom(seed)
    is_bone = np.isin(phantom.labels, [v for v in NAMES if kind_of_value(v) == "vertebra"])
    bones = np.where(is_bone, phantom.labels, 0).astype(np.uint8)
    found = []
    for margin in ((0, 0, 0), (5, 20, 60), (0, 0, 3)):
        mask = np.pad(bones, [(n, n) for n in margin])
        affine = phantom.grid.affine.copy()
        affine[:3, 3] = phantom.grid.ijk_to_ras([-np.array(margin)])[0]
        grid = Grid((mask.shape[0], mask.shape[1], mask.shape[2]), affine)
        adopted, _ = name_given(read_given("mask.nii.gz", mask, None), grid)
        found.append({int(mask[adopted.labels == row.value][0]): row.name for row in adopted.named})

    drawn = {int(value): NAMES[int(value)] for value in np.unique(bones) if value}
    assert found == [drawn] * 3

"""Names for what a mask tells apart."""

import numpy as np
import pytest

from instances.toys import BODY, DISC, NECK, draw, draw_ring
from spinekit.anatomy.scheme import VALUES
from spinekit.bones import name_given
from spinekit.core.grid import Grid
from spinekit.labelling.numbers import read_given


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

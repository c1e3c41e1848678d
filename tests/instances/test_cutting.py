"""What ends at fill is cut, as by the edge of a scan."""

import numpy as np
import pytest

from blocks import BlockSpine
from spinekit.anatomy.parts import BODY
from spinekit.anatomy.scheme import PARTS
from spinekit.instances import split_instances
from spinekit.instances.cutting import mark_cut


def test_what_lies_below_or_above_fill_is_cut(spine: BlockSpine) -> None:
    one_hot = np.arange(len(PARTS))[:, None, None, None] == spine.parts
    whole = split_instances(one_hot.astype(np.float16), spine.grid.spacing_mm)
    first = whole.items[0]
    mine = (whole.vertebra_map == first.index) & (whole.parts == BODY)
    top = int(np.flatnonzero(mine.any(axis=(0, 1)))[-1])
    fill = np.zeros(spine.parts.shape, bool)

    for gap, is_cut in ((1, True), (2, True), (3, False)):
        fill[:] = False
        fill[:, :, top + gap :] = True
        items = mark_cut(whole, fill).items
        assert (items[0].touches_edge, items[0].partial) == (is_cut, is_cut)
        assert items[1:] == whole.items[1:]


@pytest.mark.parametrize("behind", [True, False])
def test_fill_behind_bones_or_nowhere_cuts_none(spine: BlockSpine, behind: bool) -> None:
    one_hot = np.arange(len(PARTS))[:, None, None, None] == spine.parts
    whole = split_instances(one_hot.astype(np.float16), spine.grid.spacing_mm)
    fill = np.zeros(spine.parts.shape, bool)
    fill[:, :24] = behind

    assert mark_cut(whole, fill).items == whole.items
    assert mark_cut(whole, None) is whole

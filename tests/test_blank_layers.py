"""A scan with blank layers above and below, as registration leaves them, is as good without."""

from dataclasses import replace

import numpy as np
import pytest

from blocks import BlockSpine, oracle_for, turned
from spinekit.core.grid import Grid
from spinekit.pipeline import segment


@pytest.mark.parametrize("codes", ["RAS", "SLA"])
def test_blank_layers_around_a_scan_change_nothing(spine: BlockSpine, codes: str) -> None:
    middle = slice(35, spine.parts.shape[2] - 20)
    affine = spine.grid.affine.copy()
    affine[2, 3] += middle.start
    cut = spine.image[:, :, middle]
    plain = replace(spine, image=cut, grid=Grid(cut.shape, affine))
    padded = np.pad(cut, ((0, 0), (0, 0), (90, 60)))
    affine = affine.copy()
    affine[2, 3] -= 90
    around = replace(spine, image=padded, grid=Grid(padded.shape, affine))

    results = []
    for piece in (plain, around):
        scan = turned(piece, codes)
        results.append(
            segment(scan.array, affine=scan.grid.affine, predictor=oracle_for(spine), soft=True)
        )

    before, after = results
    assert after.structures == before.structures
    assert [row.name for row in after.structures if row.touches_edge] == [
        "T12",
        "sacrum",
        "spinal_canal",
    ]
    assert after.report["column"] == before.report["column"]
    there = np.isin(after.labels, np.unique(before.labels[before.labels > 0]))
    assert np.count_nonzero(there) == np.count_nonzero(before.labels)
    assert np.count_nonzero(after.soft["canal"]) == np.count_nonzero(before.soft["canal"])

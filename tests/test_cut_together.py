"""What one series of a study cuts and takes for a sacrum is what another shows it to be."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from blocks import BlockSpine, draw_blocks, oracle_for
from spinekit.anatomy.scheme import PARTS, VALUES
from spinekit.core.grid import Grid
from spinekit.core.volume import Volume
from spinekit.options import SegmentOptions
from spinekit.prediction.runner import Prediction
from spinekit.relabelling.correction import relabel
from spinekit.relabelling.words import Word
from spinekit.segmentation import Segmentation
from spinekit.study import segment_study
from test_cut_sacrum import NAMES, cut_through_l5

BODY = PARTS.index("body")


@dataclass
class Each:
    """A predictor that knows several spines and takes that of the scan's height."""

    spines: list[BlockSpine]
    grid_mm: tuple[float, float] = (1.0, 2.0)

    def __post_init__(self) -> None:
        self.card = oracle_for(self.spines[0]).card

    def predict(self, working: Volume, progress: Any) -> Prediction:
        height = working.shape[2]
        spine = next(one for one in self.spines if one.image.shape[2] == height)
        return oracle_for(spine).predict(working, progress)


def above(spine: BlockSpine, first: int, moved_mm: float = 0.0) -> BlockSpine:
    """The layers of a spine from one upwards, the patient moved upwards meanwhile."""
    arrays = (array[:, :, first:] for array in (spine.image, spine.labels, spine.parts))
    image, labels, parts = arrays
    affine = spine.grid.affine.copy()
    affine[2, 3] += first + moved_mm
    return BlockSpine(image, labels, parts, Grid(image.shape, affine), spine.names)


def together(folder: Path, *spines: BlockSpine) -> list[Segmentation]:
    series = []
    for n, spine in enumerate(spines):
        path = folder / f"s{n}.nii.gz"
        nib.save(nib.Nifti1Image(spine.image, spine.grid.affine), path)
        series.append((path, SegmentOptions()))
    found = segment_study(series, names=["s0", "s1"], predictor=Each(list(spines)))
    assert all(isinstance(one, Segmentation) for one in found)
    return found


def lowest_layer(spine: BlockSpine, name: str) -> int:
    is_bone = (spine.labels == VALUES[name]) & np.isin(spine.parts, (BODY, PARTS.index("sacrum")))
    return int(np.flatnonzero(is_bone.any(axis=(0, 1)))[0])


@pytest.mark.parametrize("below_l5", [None, -3, 4])
@pytest.mark.parametrize("moved_mm", [0.0, 4.0])
def test_a_vertebra_that_another_series_shows_is_no_sacrum(
    below_l5: int | None, moved_mm: float, tmp_path: Path
) -> None:
    # The other series shows the sacrum, or ends below L5, or cuts it and sees it nonetheless.
    cut, whole = cut_through_l5(), draw_blocks(names=NAMES)
    first = 0 if below_l5 is None else lowest_layer(whole, "L5") + below_l5

    found, other = together(tmp_path, above(cut, 0, moved_mm), above(whole, first))

    np.testing.assert_array_equal(found.labels, cut.labels)
    assert (found.parts[found.labels == VALUES["L5"]] == BODY).all()
    rows = {row.name: row for row in found.structures}
    assert "sacrum" not in rows
    assert rows["L5"].part == "vertebra"
    assert rows["L5"].probability == {row.name: row for row in other.structures}["L5"].probability
    assert [warning["code"] for warning in found.report["warnings"]] == []
    (reading,) = found.report["column"]["outside"]
    assert reading["matched"] == len(NAMES)
    lowest = found.report["evidence"]["items"][-1]
    assert (lowest["kind"], lowest["name"]) == ("sacrum", "L5")
    assert any(lowest["outside"])


def test_a_series_that_reaches_lower_and_sees_nothing_there_leaves_it_open(tmp_path: Path) -> None:
    cut, whole = cut_through_l5(), draw_blocks(names=NAMES)
    below = np.arange(whole.parts.shape[2]) < lowest_layer(whole, "L4")
    parts, labels = (np.where(below, np.uint8(0), one) for one in (whole.parts, whole.labels))

    found, _ = together(tmp_path, cut, replace(whole, parts=parts, labels=labels))

    rows = {row.name: row for row in found.structures}
    assert "sacrum" not in rows
    assert 0.5 < rows["L5"].probability < 0.9


def test_a_word_about_such_a_series_leaves_it_the_vertebra(tmp_path: Path) -> None:
    found, _ = together(tmp_path, cut_through_l5(), draw_blocks(names=NAMES))

    changed = relabel(found.save(tmp_path / "out")["dseg"], [Word("L1", "L1")])

    names = [row["name"] for row in changed.report["structures"]]
    assert "L5" in names
    assert "sacrum" not in names


@pytest.mark.parametrize("left_mm", [6, 16, 24])
@pytest.mark.parametrize("moved_mm", [0.0, 8.0])
def test_a_sacrum_cut_below_its_top_is_that_of_the_other_series(
    left_mm: int, moved_mm: float, tmp_path: Path
) -> None:
    whole = draw_blocks(names=NAMES)
    is_sacrum = (whole.labels == VALUES["sacrum"]).any(axis=(0, 1))
    first = int(np.flatnonzero(is_sacrum)[-1]) + 1 - left_mm

    found, _ = together(tmp_path, above(whole, first, moved_mm), whole)

    np.testing.assert_array_equal(found.labels, whole.labels[:, :, first:])
    assert found.report["evidence"]["items"][-1]["name"] == "sacrum"


def test_a_series_that_takes_the_cut_vertebra_for_a_sacrum_by_itself_says_so(
    tmp_path: Path,
) -> None:
    # Its levels are called one lower than they are, so that L5 fits a sacrum.
    cut, whole = cut_through_l5(), draw_blocks(names=NAMES)
    lower = dict(zip(NAMES, (*NAMES[1:], "sacrum"), strict=True))
    labels = cut.labels.copy()
    for name, called in lower.items():
        labels[cut.labels == VALUES[name]] = VALUES[called]

    found, _ = together(tmp_path, replace(cut, labels=labels), whole)

    assert "sacrum" not in found.names
    (told,) = (w for w in found.report["warnings"] if w["code"] == "series-disagree")
    assert "sacrum" in told["text"]

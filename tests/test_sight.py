"""What a network sees in the scan of a mask, as evidence for the names of its bones."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from blocks import draw_blocks, oracle_for
from spinekit import adoption
from spinekit.adoption import MaskOptions, adopt_mask
from spinekit.anatomy.scheme import LEVELS, PARTS, VALUES
from spinekit.core.volume import Volume
from spinekit.pipeline import segment
from spinekit.prediction.predictor import Predictor
from spinekit.prediction.runner import Prediction
from spinekit.segmentation import Segmentation

SPINE = draw_blocks((4.0, 2.0, 2.0))
FEW = ("L1", "L2", "L3")


@dataclass(frozen=True)
class Dim:
    """A predictor that sees parts, or nothing but background, and no levels."""

    oracle: Predictor
    sees_parts: bool = True

    @property
    def card(self) -> dict[str, Any]:
        return self.oracle.card

    @property
    def grid_mm(self) -> tuple[float, float]:
        return self.oracle.grid_mm

    def predict(self, working: Volume, progress: object = None) -> Prediction:
        seen = self.oracle.predict(working, None)
        parts = seen.parts_probs
        if not self.sees_parts:
            parts = np.zeros_like(parts)
            parts[0] = 1
        even = np.full_like(seen.level_probs, 1 / seen.level_probs.shape[0])
        return replace(seen, parts_probs=parts, level_probs=even)


@pytest.fixture
def few(tmp_path: Path) -> MaskOptions:
    """Options for `mask.nii.gz`, which marks three bodies, beside the whole scan."""
    mask = np.isin(SPINE.labels, [VALUES[name] for name in FEW])
    mask &= SPINE.parts == PARTS.index("body")
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), SPINE.grid.affine), tmp_path / "mask.nii.gz")
    image = nib.Nifti1Image(SPINE.image.astype(np.int16), SPINE.grid.affine)
    nib.save(image, tmp_path / "scan.nii.gz")
    return MaskOptions("bone", image=str(tmp_path / "scan.nii.gz"))


def name_few(folder: Path, options: MaskOptions, predictor: Predictor | None) -> Segmentation:
    return adopt_mask(folder / "mask.nii.gz", options, predictor=predictor)


def sure_of(result: Segmentation) -> dict[str, float]:
    rows = [row for row in result.structures if row.name in LEVELS]
    return {row.name: row.probability for row in rows if row.probability is not None}


def test_a_sacrum_in_the_scan_names_bones_far_from_it(tmp_path: Path, few: MaskOptions) -> None:
    alone = name_few(tmp_path, replace(few, rules_only=True), None)
    assert alone.report["column"]["ambiguous"]

    result = name_few(tmp_path, few, Dim(oracle_for(SPINE)))

    scan = segment(tmp_path / "scan.nii.gz", predictor=Dim(oracle_for(SPINE)))
    assert list(sure_of(result)) == list(FEW)
    assert not result.report["column"]["ambiguous"]
    for name, sure in sure_of(result).items():
        assert sure_of(alone).get(name, 0.0) + 0.2 < sure <= sure_of(scan)[name] + 0.02
    (row,) = result.report["column"]["outside"]
    assert (row["source"], row["file"]) == ("image", "scan.nii.gz")
    assert [name for name in row["names"] if name] == list(FEW)


def test_a_scan_in_which_none_of_the_bones_is_found_is_told(
    tmp_path: Path, few: MaskOptions
) -> None:
    alone = name_few(tmp_path, few, None)

    result = name_few(tmp_path, few, Dim(oracle_for(SPINE), sees_parts=False))

    (warning,) = result.report["warnings"]
    assert warning["code"] == "image-unseen"
    assert warning["text"].startswith("scan.nii.gz: ")
    assert result.report["column"]["outside"] == []
    np.testing.assert_array_equal(result.labels > 0, alone.labels > 0)


def test_names_in_a_mask_count_beside_those_of_the_scan(tmp_path: Path, few: MaskOptions) -> None:
    up = {VALUES[name]: VALUES[higher] for name, higher in zip(FEW, ("T12", *FEW), strict=False)}
    wrong = np.zeros_like(SPINE.labels)
    for value, higher in up.items():
        wrong[(SPINE.labels == value) & (SPINE.parts == PARTS.index("body"))] = higher
    nib.save(nib.Nifti1Image(wrong, SPINE.grid.affine), tmp_path / "mask.nii.gz")

    result = name_few(tmp_path, MaskOptions(scheme="spinekit", image=few.image), oracle_for(SPINE))

    assert list(sure_of(result)) == list(FEW)
    assert [row["source"] for row in result.report["column"]["outside"]] == ["image", "mask"]
    assert [row["code"] for row in result.report["warnings"]] == ["sources-disagree"]


def test_a_bone_of_which_only_the_arch_is_marked_hides_no_other(
    tmp_path: Path, few: MaskOptions
) -> None:
    marked = np.where(np.isin(SPINE.labels, [VALUES[name] for name in FEW]), SPINE.labels, 0)
    marked[(SPINE.labels == VALUES["L1"]) & (SPINE.parts == PARTS.index("body"))] = 0
    nib.save(nib.Nifti1Image(marked, SPINE.grid.affine), tmp_path / "mask.nii.gz")

    result = name_few(tmp_path, MaskOptions(scheme="spinekit", image=few.image), oracle_for(SPINE))

    for name in ("L2", "L3"):
        np.testing.assert_array_equal(result.labels == VALUES[name], marked == VALUES[name])
    np.testing.assert_array_equal(result.labels > 0, marked > 0)


def test_where_no_vertebra_is_marked_none_is_looked_for(tmp_path: Path, few: MaskOptions) -> None:
    canal = (SPINE.parts == PARTS.index("canal")).astype(np.uint8) * PARTS.index("canal")
    nib.save(nib.Nifti1Image(canal, SPINE.grid.affine), tmp_path / "mask.nii.gz")

    result = name_few(tmp_path, MaskOptions("parts", image=few.image), oracle_for(SPINE))

    assert [row["code"] for row in result.report["warnings"]] == ["no-spine"]


@pytest.mark.parametrize("with_scan", [True, False])
def test_a_mask_whose_names_are_not_followed_says_so_once(
    tmp_path: Path, few: MaskOptions, with_scan: bool
) -> None:
    names = ("L5", "C3", "T6")
    marked = np.zeros_like(SPINE.labels)
    for name, claimed in zip(FEW, names, strict=True):
        body = (SPINE.labels == VALUES[name]) & (SPINE.parts == PARTS.index("body"))
        marked[body] = VALUES[claimed]
    nib.save(nib.Nifti1Image(marked, SPINE.grid.affine), tmp_path / "mask.nii.gz")
    image = few.image if with_scan else None
    predictor = oracle_for(SPINE) if with_scan else None

    result = name_few(tmp_path, MaskOptions(scheme="spinekit", image=image), predictor)

    told = [row for row in result.report["warnings"] if row["code"] == "sources-disagree"]
    assert len(told) == 1
    given = list(sure_of(result))
    assert f"named {given[0]} to {given[-1]}, look" in told[0]["text"]


def test_a_mask_of_very_fine_voxels_is_looked_at_where_it_lies(
    tmp_path: Path, few: MaskOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = nib.load(tmp_path / "mask.nii.gz")
    box = tuple(slice(at.min(), at.max() + 1) for at in np.nonzero(whole.dataobj))
    cut = whole.slicer[box]
    nib.save(nib.Nifti1Image(np.array(cut.dataobj), cut.affine), tmp_path / "cut.nii.gz")
    (tmp_path / "cut.nii.gz").rename(tmp_path / "mask.nii.gz")
    monkeypatch.setattr(adoption, "MOST_WIDE", int(np.prod(whole.shape)) - 1)

    result = name_few(tmp_path, few, oracle_for(SPINE))

    assert list(sure_of(result)) == list(FEW)
    assert [row["code"] for row in result.report["warnings"]] == ["image-cut"]
    assert result.grid.shape == cut.shape


def test_where_sizes_alone_speak_the_report_has_no_other_source(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(SPINE.parts, SPINE.grid.affine), tmp_path / "mask.nii.gz")

    result = name_few(tmp_path, MaskOptions("parts"), None)

    assert [row["outside"] for row in result.report["evidence"]["items"]] == [None] * 13
    assert result.report["column"]["outside"] == []


def cut_through_l1(folder: Path) -> None:
    """Save a mask of bones and arches that ends in the middle of L1, as the file does."""
    bones = np.isin(SPINE.parts, [PARTS.index(part) for part in ("body", "posterior")])
    marked = np.where(bones, SPINE.labels, 0).astype(np.int16)
    first = np.flatnonzero((marked == VALUES["L1"]).any(axis=(0, 1)))
    cut = marked[:, :, : int(first[len(first) // 2])]
    nib.save(nib.Nifti1Image(cut, SPINE.grid.affine), folder / "mask.nii.gz")


def test_a_scan_that_no_network_looks_at_changes_nothing_but_the_picture(
    tmp_path: Path, few: MaskOptions
) -> None:
    cut_through_l1(tmp_path)
    without = name_few(tmp_path, MaskOptions("instances"), None)

    rules = replace(few, meaning="instances", rules_only=True)
    by_rules = name_few(tmp_path, rules, oracle_for(SPINE))

    assert by_rules.structures == without.structures
    for key in ("column", "evidence", "warnings"):
        assert by_rules.report[key] == without.report[key]
    np.testing.assert_array_equal(by_rules.labels, without.labels)
    assert without.view is not None
    assert by_rules.view is not None
    height_mm = SPINE.grid.shape[2] * SPINE.grid.spacing_mm[2]
    assert by_rules.view.image.shape[2] == height_mm > without.view.image.shape[2]
    assert set(np.unique(by_rules.view.labels)) == set(np.unique(without.labels))


def test_what_the_edge_of_the_mask_cuts_is_partial_where_the_scan_goes_on(
    tmp_path: Path, few: MaskOptions
) -> None:
    cut_through_l1(tmp_path)

    result = name_few(tmp_path, replace(few, meaning="instances"), oracle_for(SPINE))

    rows = [(row.name, row.partial) for row in result.structures]
    assert rows == [("L1", True), *((name, False) for name in ("L2", "L3", "L4", "L5"))]

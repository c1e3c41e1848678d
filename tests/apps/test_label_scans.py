"""`spinekit label --image`: what there is to doubt about the scan, and one that is another now."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from blocks import PredictWith, draw_blocks, oracle_for
from results import report_of
from spinekit import sight
from spinekit.anatomy.scheme import PARTS, VALUES
from spinekit.apps.cli import main
from spinekit.core.volume import Volume
from spinekit.prediction.predictor import Predictor
from spinekit.prediction.runner import Prediction

SPINE = draw_blocks((4.0, 2.0, 2.0))


@pytest.fixture(autouse=True)
def predictor(predict_with: PredictWith) -> Predictor:
    """Let the command line predict the block spine without a model file."""
    predictor = oracle_for(SPINE)
    predict_with(predictor)
    return predictor


def save_scan(folder: Path, image: np.ndarray = SPINE.image) -> None:
    nib.save(nib.Nifti1Image(image.astype(np.int16), SPINE.grid.affine), folder / "scan.nii.gz")


def label(folder: Path, *words: str) -> int:
    """The exit status of naming bodies of one value that were drawn on the scan."""
    bodies = (SPINE.parts == PARTS.index("body")).astype(np.uint8)
    nib.save(nib.Nifti1Image(bodies, SPINE.grid.affine), folder / "mask.nii.gz")
    places = [str(folder / name) for name in ("mask.nii.gz", "out")]
    return main(["label", *places, "--image", str(folder / "scan.nii.gz"), *words])


def draw_ct() -> np.ndarray:
    rng = np.random.default_rng(1)
    around = np.where(rng.random(SPINE.parts.shape) < 0.4, -100.0, 50.0)
    return np.where(SPINE.parts > 0, 300.0, around) + rng.normal(0, 15, SPINE.parts.shape)


def test_a_ct_is_not_looked_at_for_levels(tmp_path: Path) -> None:
    save_scan(tmp_path, draw_ct())
    assert label(tmp_path, "--rules-only", "--quiet") == 0
    by_rules = report_of(tmp_path / "out", "mask")
    assert by_rules["warnings"] == []

    assert label(tmp_path, "--overwrite", "--quiet") == 0

    report = report_of(tmp_path / "out", "mask")
    (warning,) = report["warnings"]
    assert warning["code"] == "not-mri"
    assert warning["text"].startswith("scan.nii.gz: ")
    assert report["model"]["name"] is None
    assert report["column"]["ambiguous"]
    assert report["structures"] == by_rules["structures"]


def test_what_was_taken_of_the_scan_is_told_with_its_name(tmp_path: Path) -> None:
    save_scan(tmp_path, np.stack([SPINE.image, SPINE.image], axis=-1))

    assert label(tmp_path, "--quiet") == 0

    (warning,) = report_of(tmp_path / "out", "mask")["warnings"]
    assert (warning["code"], warning["text"][:13]) == ("volumes-averaged", "scan.nii.gz: ")


def test_a_result_by_another_scan_or_model_is_not_taken_for_done(
    predictor: Predictor,
    predict_with: PredictWith,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save_scan(tmp_path)
    assert label(tmp_path) == 0
    assert label(tmp_path) == 0
    assert "done before" in capsys.readouterr().out

    predict_with(replace(predictor, card={**predictor.card, "sha256": "1"}))
    assert label(tmp_path) == 2
    assert "was made with another model; add --overwrite" in capsys.readouterr().err

    save_scan(tmp_path, SPINE.image + 1)
    assert label(tmp_path) == 2
    assert "was made with other options (image); add --overwrite" in capsys.readouterr().err
    assert label(tmp_path, "--overwrite") == 0
    assert label(tmp_path) == 0


def test_a_mask_cut_off_around_its_bones_hides_nothing_of_the_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    ask = sight.ask_predictor

    def watch(predictor: Any, working: Volume) -> Prediction:
        seen.append(working.grid)
        return ask(predictor, working)

    monkeypatch.setattr(sight, "ask_predictor", watch)
    save_scan(tmp_path)
    mask = np.isin(SPINE.labels, [VALUES[name] for name in ("L1", "L2", "L3")])
    mask &= SPINE.parts == PARTS.index("body")
    box = tuple(slice(at.min() - 1, at.max() + 2) for at in np.nonzero(mask))
    affine = SPINE.grid.affine.copy()
    affine[:3, 3] = SPINE.grid.ijk_to_ras([[axis.start for axis in box]])[0]
    labels = []
    for name, array, placed in (("whole", mask, SPINE.grid.affine), ("cut", mask[box], affine)):
        nib.save(nib.Nifti1Image(array.astype(np.uint8), placed), tmp_path / f"{name}.nii.gz")
        words = ["label", tmp_path / f"{name}.nii.gz", tmp_path / "out"]
        words += ["--image", tmp_path / "scan.nii.gz", "--quiet"]
        assert main([str(word) for word in words]) == 0
        made = nib.load(tmp_path / "out" / f"{name}_dseg.nii.gz")
        np.testing.assert_allclose(made.affine, placed)
        labels.append(np.asarray(made.dataobj))

    assert seen[0].is_close(seen[1])
    np.testing.assert_array_equal(labels[0][box], labels[1])
    assert set(np.unique(labels[1])) == {0, VALUES["L1"], VALUES["L2"], VALUES["L3"]}


def test_a_mask_is_no_scan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_scan(tmp_path, SPINE.labels)

    assert label(tmp_path) == 1

    assert "scan.nii.gz: holds a few whole numbers" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

"""`spinekit label` on the labels of an earlier result: reading names again makes none surer."""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from blocks import PredictWith
from spinekit.anatomy.scheme import VALUES
from spinekit.apps.cli import main
from spinekit.core.grid import Grid
from spinekit.io.writing import write_seg_nrrd
from views import blind, save_view, stretch


@pytest.fixture
def result(tmp_path: Path, predict_with: PredictWith, request: pytest.FixtureRequest) -> Path:
    """The labels of a stretch of the loin, segmented by a network that knows little of levels."""
    predict_with(blind(claims=getattr(request, "param", 0.0)))
    scan = save_view(tmp_path / "loin.nii.gz", stretch(150, 290))
    assert main(["segment", str(scan), str(tmp_path / "first"), "--quiet"]) == 0
    return tmp_path / "first" / "loin_dseg.nii.gz"


def label(mask: Path, out: Path) -> Path:
    """The labels that a mask leads to."""
    assert main(["label", str(mask), str(out), "--from", "spinekit", "--quiet"]) == 0
    return next(out.glob("*_dseg.nii.gz"))


def sureness(labels: Path) -> tuple[dict[str, float], bool]:
    """Vertebra → probability by the report beside labels, and whether the names are ambiguous."""
    stem = labels.name.removesuffix(".nii.gz")
    report = json.loads(labels.with_name(f"{stem}.json").read_text(encoding="utf-8"))
    rows = [row for row in report["structures"] if row["part"] == "vertebra"]
    return {row["name"]: row["probability"] for row in rows}, report["column"]["ambiguous"]


@pytest.mark.parametrize("result", [0.0, 0.2, 0.6], indirect=True)
def test_names_are_no_surer_after_several_rounds(result: Path, tmp_path: Path) -> None:
    second = label(result, tmp_path / "second")
    third = label(second, tmp_path / "third")

    (first, is_ambiguous), (last, is_still) = sureness(result), sureness(third)
    assert min(first.values()) < 0.8
    assert last == pytest.approx(first, abs=0.01)
    assert is_still == is_ambiguous


def test_without_the_report_or_with_names_of_its_own_a_map_is_believed(
    result: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "elsewhere" / result.name
    alone.parent.mkdir()
    shutil.copy(result, alone)
    names, _ = sureness(result)
    top, *_, lowest = names
    image = nib.load(result)
    moved = np.asarray(image.dataobj).copy()
    moved[moved == VALUES[top]] = VALUES["T12"]
    assert "T12" not in names

    believed, _ = sureness(label(alone, tmp_path / "second"))
    nib.save(nib.Nifti1Image(moved, image.affine), result)
    corrected, _ = sureness(label(result, tmp_path / "third"))

    assert believed[lowest] > names[lowest] + 0.2
    assert corrected[lowest] > names[lowest] + 0.2


def test_names_given_in_slicer_since_are_believed(result: Path, tmp_path: Path) -> None:
    first, _ = sureness(result)
    _, *kept = first
    renamed = {VALUES[old]: new for old, new in zip(kept, first, strict=False)}
    image = nib.load(result)
    array = np.asarray(image.dataobj)
    array = np.where(np.isin(array, list(renamed)), array, 0).astype(np.uint8)
    mask = result.with_name("loin_dseg.seg.nrrd")
    rows = [(value, name, (255, 0, 0)) for value, name in renamed.items()]
    write_seg_nrrd(mask, array, Grid(array.shape, image.affine), rows)

    second, _ = sureness(label(mask, tmp_path / "second"))

    assert list(second) == list(renamed.values())
    assert set(second) < set(first)
    assert min(second.values()) > first[kept[-1]] + 0.2


def test_a_result_by_another_report_is_not_taken_for_done(
    result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["label", str(result), str(tmp_path / "out"), "--from", "spinekit"]
    assert main(command) == 0
    path = result.with_name("loin_dseg.json")
    report = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**report, "seconds": {"read": 9.0}}), encoding="utf-8")
    assert main(command) == 0
    assert "done before" in capsys.readouterr().out

    for row in report["structures"]:
        row["probability"] = row["probability"] and 0.9
    path.write_text(json.dumps(report), encoding="utf-8")

    assert main(command) == 2
    assert "was made with other options (report); add --overwrite" in capsys.readouterr().err
    assert main([*command, "--overwrite"]) == 0
    assert main(command) == 0

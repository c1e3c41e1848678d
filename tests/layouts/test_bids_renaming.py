"""Corrected names in a BIDS dataset: every file follows, and what is missing is told."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from layouts.conftest import FIGURE, SCAN, START, run
from results import bytes_of, listing, read_json, voxels
from spinekit.anatomy.scheme import VALUES
from spinekit.apps.cli import main

pytestmark = pytest.mark.usefixtures("small_oracle")


@pytest.mark.parametrize("words", [(), ("--iso", "--format", "nii")])
def test_one_word_moves_every_name_and_undo_brings_the_same_bytes_back(
    dataset: Path, tmp_path: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    run(dataset, out, "--layout", "bids", "--levels", "--soft", *words)
    before = bytes_of(out)
    res = "_res-1mm" if words else ""
    base, end = f"{START}_seg-spine{res}_desc-T2w_dseg", "nii" if words else "nii.gz"
    seg = out / f"{base}.{end}"
    points = out / f"{START}_seg-levels{res}_desc-T2w_dseg.{end}"
    figure = FIGURE.replace("_desc", f"{res}_desc")
    old, marked, kept = voxels(seg), voxels(points), read_json(out / f"{base}.json")

    assert main(["relabel", str(seg), "--set", "L5=L6"]) == 0

    said = capsys.readouterr()
    assert str(out / figure) in said.out
    assert "--image" not in said.err
    report = read_json(out / f"{base}.json")
    for was, now in (("L5", "L6"), ("L4", "L5"), ("L4-L5", "L5-L6"), ("sacrum", "sacrum")):
        np.testing.assert_array_equal(voxels(seg) == VALUES[now], old == VALUES[was])
    assert report["Sources"] == kept["Sources"]
    assert report["provenance"][0]["words"][0]["to"] == "L6"
    assert "L6\t" in (out / f"{base}.tsv").read_text()
    np.testing.assert_array_equal(voxels(points) > 0, marked > 0)
    assert (voxels(points) == 46).any()
    assert "L5-L6" in points.with_name(points.name.removesuffix(end) + "json").read_text()
    assert (out / figure).read_bytes() != before[figure]
    assert "L6" in (out / "summary.csv").read_text()
    same = ("dataset_description.json", ".bidsignore")
    assert all((out / name).read_bytes() == before[name] for name in same)

    assert main(["relabel", str(seg), "--undo", "--quiet"]) == 0

    assert bytes_of(out) == before


@pytest.mark.parametrize("layout", ["spinekit", "bids", "totalspineseg"])
def test_the_picture_is_named_the_way_the_labels_were(
    dataset: Path,
    tmp_path: Path,
    layout: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    run(dataset / SCAN, Path("out"), "--layout", layout)
    patterns = {
        "spinekit": "*_T2w_dseg.nii.gz",
        "bids": "**/*_seg-spine_desc-T2w_dseg.nii.gz",
        "totalspineseg": "step2_output/*.nii.gz",
    }
    (labels,) = Path("out").glob(patterns[layout])
    for seg in (labels, labels.absolute()):
        for words in (["--set", "T12=T11"], ["--undo"]):
            capsys.readouterr()
            assert main(["relabel", str(seg), *words]) == 0
            picture = Path(capsys.readouterr().out.strip().rpartition("→ ")[2])
            assert picture.is_file()
            assert picture.is_absolute() == seg.is_absolute()


def test_renaming_needs_no_raw_dataset(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    run(dataset, out, "--layout", "bids")
    described = (out / "dataset_description.json").read_bytes()
    out = shutil.move(out, tmp_path / "moved" / "far")
    shutil.rmtree(dataset)
    seg = out / f"{START}_seg-spine_desc-T2w_dseg.nii.gz"

    assert main(["relabel", str(seg), "--set", "L5=L6"]) == 0

    assert "--image" in capsys.readouterr().err
    assert read_json(out / f"{START}_seg-spine_desc-T2w_dseg.json")["Sources"] == [
        f"bids:raw:{SCAN}"
    ]
    assert (out / "dataset_description.json").read_bytes() == described


def test_renaming_asks_for_the_labels_and_their_sidecar(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    run(dataset, out, "--layout", "bids")
    seg = out / f"{START}_seg-spine_desc-T2w_dseg.nii.gz"

    assert (
        main(["relabel", str(seg.with_name(seg.name.replace("spine", "parts"))), "--set", "L5=L6"])
        == 2
    )
    assert "give the file with _seg-spine_" in capsys.readouterr().err

    alone = tmp_path / "a" / "b" / "c"
    alone.mkdir(parents=True)
    for end in ("nii.gz", "json"):
        shutil.copy(seg.with_name(seg.name.replace("nii.gz", end)), alone)
    assert main(["relabel", str(alone / seg.name), "--set", "L5=L6"]) == 2
    assert "does not lie where it was written" in capsys.readouterr().err
    assert len(listing(tmp_path / "a")) == 2

    sidecar = out / f"{START}_seg-spine_desc-T2w_dseg.json"
    report = read_json(sidecar)
    sidecar.write_text(json.dumps({**report, "Sources": []}))
    assert main(["relabel", str(seg), "--set", "L5=L6"]) == 1
    assert f"{sidecar.name}: does not say of which scan" in capsys.readouterr().err
    sidecar.unlink()
    assert main(["relabel", str(seg), "--set", "L5=L6"]) == 1
    assert f"{sidecar.name}: cannot be read" in capsys.readouterr().err


def test_each_grid_has_a_row_that_follows_its_own_corrections(
    dataset: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert run(dataset, out, "--layout", "bids") == 0
    assert run(dataset, out, "--layout", "bids", "--iso") == 0
    seg = out / f"{START}_seg-spine_desc-T2w_dseg.nii.gz"

    assert main(["relabel", str(seg), "--set", "T12=T11", "--quiet"]) == 0
    assert run(dataset, out, "--layout", "bids", "--iso") == 0

    rows = list(csv.DictReader((out / "summary.csv").read_text().splitlines()))
    assert [(row["input"], row["vertebrae"].split()[0]) for row in rows] == [
        (SCAN, "T11"),
        (SCAN, "T12"),
    ]

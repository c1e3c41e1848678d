import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from blocks import NAMES, BlockSpine
from results import FILES, listing, report_of
from scan_files import Slices
from spinekit.apps.cli import main
from spinekit.apps.job import Job, Outcome

pytestmark = pytest.mark.usefixtures("oracle")


def test_a_scan_gives_four_files_on_its_own_grid(
    scan_file: Path, spine: BlockSpine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "out"

    assert main(["segment", str(scan_file), str(out)]) == 0

    assert listing(out) == FILES
    for name, truth in (("dseg", spine.labels), ("parts", spine.parts)):
        image = nib.load(out / f"spine_{name}.nii.gz")
        assert image.get_data_dtype() == np.uint8
        np.testing.assert_array_equal(image.affine, nib.load(scan_file).affine)
        np.testing.assert_array_equal(np.asarray(image.dataobj), truth)
    with Image.open(out / "spine_preview.png") as picture:
        assert picture.size[1] > 200
    printed = capsys.readouterr()
    assert printed.out.count("\n") == 1
    assert "T12 to sacrum" in printed.out
    assert printed.err == ""


def test_the_report_has_every_key_and_the_sizes_that_were_drawn(
    scan_file: Path, spine: BlockSpine, tmp_path: Path
) -> None:
    main(["segment", str(scan_file), str(tmp_path / "out")])
    report = report_of(tmp_path / "out")

    assert list(report) == [
        "schema_version",
        "spinekit_version",
        "not_a_medical_device",
        "input",
        "model",
        "options",
        "seconds",
        "structures",
        "canal_with_cord_mm3",
        "column",
        "warnings",
        "evidence",
        "provenance",
        "files",
        "voxels_sha256",
    ]
    assert report["not_a_medical_device"] is True
    assert report["input"]["file"] == "spine.nii.gz"
    assert report["input"]["spacing_mm"] == [4.0, 1.0, 1.0]
    assert set(report["seconds"]) == {"read", "normalise", "predict", "label", "restore", "write"}
    rows = {row["name"]: row for row in report["structures"]}
    assert [name for name in rows if rows[name]["part"] == "vertebra"] == list(NAMES)
    assert rows["L5-S1"]["value"] == 100
    l4 = rows["L4"]
    assert l4["volume_mm3"] == pytest.approx(spine.body_mm3 + 16**3, rel=1e-6)
    assert l4["centroid_ras_mm"][0] == pytest.approx(-2.0, abs=0.1)
    assert not l4["partial"]
    assert l4["probability"] > 0.8  # the blocks are all of one size, which no column is
    assert len(report["evidence"]["items"]) == 13
    assert len(report["evidence"]["items"][0]["levels"]) == 27
    assert str(tmp_path) not in json.dumps(report)


def test_two_runs_and_any_number_of_threads_give_the_same_bytes(
    scan_file: Path, tmp_path: Path
) -> None:
    for threads in ("1", "2"):
        main(["segment", str(scan_file), str(tmp_path / threads), "--threads", threads])

    first, second = (report_of(tmp_path / threads) for threads in ("1", "2"))
    del first["seconds"], second["seconds"]
    assert first == second
    for name in FILES[1:]:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


@pytest.mark.parametrize("fmt", ["nii.gz", "nii", "mha", "nrrd", "seg.nrrd"])
def test_every_format_holds_the_same_labels(
    scan_file: Path, spine: BlockSpine, tmp_path: Path, fmt: str
) -> None:
    from spinekit.io.reading import read_labels

    assert main(["segment", str(scan_file), str(tmp_path / "out"), "--format", fmt]) == 0

    found = read_labels(tmp_path / "out" / f"spine_dseg.{fmt}")
    np.testing.assert_array_equal(found.array, spine.labels)
    np.testing.assert_allclose(found.grid.affine, spine.grid.affine, atol=1e-5)


def test_slicer_gets_names_and_colours(scan_file: Path, tmp_path: Path) -> None:
    main(["segment", str(scan_file), str(tmp_path / "out"), "--format", "seg.nrrd"])

    header = (tmp_path / "out" / "spine_dseg.seg.nrrd").read_bytes().split(b"\n\n")[0].decode()
    assert "Segment0_Name:=T12" in header
    assert "_LabelValue:=100" in header
    assert header.count("_Color:=") == 14


def test_iso_gives_cubes_and_the_image_that_fits(scan_file: Path, tmp_path: Path) -> None:
    assert main(["segment", str(scan_file), str(tmp_path / "out"), "--iso"]) == 0

    image = nib.load(tmp_path / "out" / "spine_image.nii.gz")
    labels = nib.load(tmp_path / "out" / "spine_dseg.nii.gz")
    assert image.shape == labels.shape == (64, 120, 306)
    np.testing.assert_allclose(labels.header.get_zooms(), 1.0)
    assert nib.aff2axcodes(labels.affine) == ("R", "A", "S")
    discs = np.asarray(labels.dataobj) == 95
    inside = np.asarray(image.dataobj)[discs]
    assert abs(np.median(inside) - 160) < 5


def test_another_scheme_has_its_values_and_says_what_is_lost(
    scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["segment", str(scan_file), str(tmp_path / "out"), "--scheme", "lumbar9"])

    labels = nib.load(tmp_path / "out" / "spine_dseg.nii.gz")
    assert np.unique(np.asarray(labels.dataobj)).tolist() == list(range(10))
    report = report_of(tmp_path / "out")
    values = {row["name"]: row["value"] for row in report["structures"]}
    assert (values["L1"], values["L4-L5"], values["sacrum"]) == (1, 9, None)
    assert [warning["code"] for warning in report["warnings"]] == ["lost-in-scheme"]
    assert "sacrum" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--labeller", "rigid"], "no labeller is called 'rigid'"),
        (["--min-probability", "1.5"], "no probability"),
        (["--labeller", "landmarks", "--min-probability", "0.5"], "gives no probabilities"),
    ],
)
def test_a_naming_that_cannot_be_is_refused_before_anything_runs(
    scan_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    assert main(["segment", str(scan_file), str(tmp_path / "out"), *words]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_names_can_be_left_out_and_counted_otherwise(scan_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    main(["segment", str(scan_file), str(out), "--labeller", "shift", "--min-probability", "1"])

    report = report_of(out)
    assert (report["options"]["labeller"], report["options"]["min_probability"]) == ("shift", 1.0)
    names = [row["name"] for row in report["structures"] if row["part"] == "vertebra"]
    assert names == [f"vertebra_{n}" for n in range(1, 7)]


def test_a_folder_goes_on_after_a_failure_and_keeps_its_folders(
    scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scans = scan_file.parent
    (scans / "sub" / "ses").mkdir(parents=True)
    (scans / "sub" / "ses" / "again.nii.gz").write_bytes(scan_file.read_bytes())
    (scans / "broken.nii.gz").write_bytes(b"no scan")
    out = tmp_path / "out"

    assert main(["segment", str(scans), str(out)]) == 1

    assert set(FILES) < set(listing(out))
    assert "sub/ses/again_dseg.json" in listing(out)
    assert not any("broken" in name for name in listing(out))
    failures = json.loads((out / "failures.json").read_text())
    assert [failure["input"] for failure in failures] == ["broken.nii.gz"]
    assert set(failures[0]) == {"input", "code", "message"}
    with (out / "summary.csv").open() as file:
        rows = {row["input"]: row for row in csv.DictReader(file)}
    assert rows["broken.nii.gz"]["status"] == "failed"
    assert rows["spine.nii.gz"]["vertebrae"].split() == [*NAMES, "sacrum"]
    errors = capsys.readouterr().err.splitlines()
    assert [line for line in errors if "error" in line] == [errors[0]]
    assert errors[0].startswith("spinekit: error: broken.nii.gz: ")


def test_runs_over_parts_of_a_folder_share_its_summary(scan_file: Path, tmp_path: Path) -> None:
    scans, out = scan_file.parent, tmp_path / "out"
    for name in ("a1", "a2"):
        (scans / f"{name}.nii.gz").write_bytes(scan_file.read_bytes())
    (scans / "b1.nii.gz").write_bytes(b"no scan")
    command = ["segment", str(scans), str(out), "--quiet"]

    def rows() -> dict[str, dict[str, str]]:
        with (out / "summary.csv").open() as file:
            return {row["input"]: row for row in csv.DictReader(file)}

    assert [main([*command, "--suffix", end]) for end in ("1", "2")] == [1, 0]
    first = rows()
    assert {name: row["status"] for name, row in first.items()} == {
        "a1.nii.gz": "done",
        "b1.nii.gz": "failed",
        "a2.nii.gz": "done",
    }
    assert [row["input"] for row in json.loads((out / "failures.json").read_text())] == [
        "b1.nii.gz"
    ]

    (scans / "b1.nii.gz").write_bytes(scan_file.read_bytes())
    assert main([*command, "--suffix", "1"]) == 0
    again = rows()
    assert again["a1.nii.gz"]["status"] == "skipped"
    assert again["a1.nii.gz"]["seconds"] == first["a1.nii.gz"]["seconds"] != "0.0"
    assert again["a2.nii.gz"] == first["a2.nii.gz"]
    assert json.loads((out / "failures.json").read_text()) == []

    (out / "summary.csv").unlink()
    assert main([*command, "--suffix", "1"]) == 0
    assert float(rows()["a1.nii.gz"]["seconds"]) > 0


@pytest.mark.parametrize(
    "layout",
    [
        [],
        ["--iso", "--levels", "--soft", "--format", "seg.nrrd"],
        ["--layout", "totalspineseg"],
        ["--layout", "bids"],
    ],
)
def test_results_among_the_scans_are_passed_over(
    scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], layout: list[str]
) -> None:
    data = tmp_path / "data"
    raw = data / "sub-01" / "anat" / "sub-01_T2w.nii.gz"
    raw.parent.mkdir(parents=True)
    raw.write_bytes(scan_file.read_bytes())
    foreign = data / "other" / "found_dseg.nii.gz"
    foreign.parent.mkdir()
    foreign.write_bytes(scan_file.read_bytes())
    (data / "other" / "found_dseg.json").write_text('{"made": "elsewhere"}')
    assert main(["segment", str(raw), str(data / "before"), *layout]) == 0
    capsys.readouterr()

    assert main(["segment", str(data), str(tmp_path / "out")]) == 0

    with (tmp_path / "out" / "summary.csv").open() as file:
        done = [row["input"] for row in csv.DictReader(file)]
    assert done == ["other/found_dseg.nii.gz", "sub-01/anat/sub-01_T2w.nii.gz"]
    (line, *_) = capsys.readouterr().err.splitlines()
    assert "are results of this program; passed over" in line
    assert main(["segment", str(data / "before"), str(tmp_path / "none"), "--quiet"]) == 2


def test_scans_beside_and_below_the_slices_of_a_dicom_folder_are_done_too(
    scan_file: Path, tmp_path: Path
) -> None:
    study = Slices().write(tmp_path / "study")
    (study / "sub").mkdir()
    for name in ("spine.nii.gz", "sub/spine.nii.gz"):
        (study / name).write_bytes(scan_file.read_bytes())
    out = tmp_path / "out"

    assert main(["segment", str(study), str(out)]) == 0

    made = [name for name in listing(out) if name.endswith("_dseg.json")]
    assert made == ["spine_dseg.json", "study_dseg.json", "sub/spine_dseg.json"]
    with (out / "summary.csv").open() as file:
        assert [row["input"] for row in csv.DictReader(file)] == [
            ".",
            "spine.nii.gz",
            "sub/spine.nii.gz",
        ]


def test_json_is_all_that_is_printed(
    scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["segment", str(scan_file), str(tmp_path / "out"), "--json"])

    (outcome,) = json.loads(capsys.readouterr().out)
    assert outcome["status"] == "done"
    assert outcome["vertebrae"][-1] == "sacrum"


def test_quiet_prints_nothing(
    scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["segment", str(scan_file), str(tmp_path / "out"), "--quiet"])

    assert capsys.readouterr() == ("", "")


def test_an_interrupt_leaves_nothing_half_written(
    scan_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spinekit import segmentation

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(segmentation, "write_json", interrupt)

    assert main(["segment", str(scan_file), str(tmp_path / "a" / "out")]) == 130
    assert not (tmp_path / "a").exists()


def test_an_interrupted_run_sums_up_what_was_done(
    scan_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spinekit.apps import batch

    (scan_file.parent / "a.nii").write_text("nothing")
    (scan_file.parent / "z.nii.gz").write_bytes(scan_file.read_bytes())
    process = batch.process

    def interrupt_at_z(jobs: tuple[Job, ...], bar: object) -> list[Outcome]:
        if jobs[0].shown == "z.nii.gz":
            raise KeyboardInterrupt
        return process(jobs, bar)

    monkeypatch.setattr(batch, "process", interrupt_at_z)

    assert main(["segment", str(scan_file.parent), str(tmp_path / "out"), "--quiet"]) == 130

    lines = (tmp_path / "out" / "summary.csv").read_text().splitlines()[1:]
    assert [line.split(",")[:2] for line in lines] == [
        ["a.nii", "failed"],
        ["spine.nii.gz", "done"],
    ]
    assert len(json.loads((tmp_path / "out" / "failures.json").read_text())) == 1

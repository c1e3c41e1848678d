"""`spinekit segment --loc`: the localizer's word counts, and a contradiction is told."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from blocks import PredictWith
from results import codes, report_of, vertebrae
from spinekit.anatomy.scheme import VALUES
from spinekit.apps.cli import main
from spinekit.io.writing import write_seg_nrrd
from spinekit.labelling.localizer import read_localizer
from spinekit.labelling.outside import END_IN_VIEW
from views import SPINE, blind, save_view, stretch, truth_on

LOIN = stretch(150, 290)
"""T12 to L3 and no sacrum."""
WIDE = stretch(0, SPINE.grid.size_mm[2], (6.0, 1.5, 1.5))


@pytest.fixture(autouse=True)
def predictor(predict_with: PredictWith) -> None:
    """Let the command line predict the parts of the block spine without any level."""
    predict_with(blind())


def run(*words: object) -> int:
    return main(["segment", *map(str, words)])


def test_a_suffix_of_localizers_without_any_is_wrong_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scan = save_view(tmp_path / "loin.nii.gz", LOIN)

    assert run(scan, tmp_path / "out", "--loc-suffix", "_T1w") == 2

    assert "there is no --loc; add --loc" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("moved_mm", [0.0, 0.9, -6.0])
def test_a_column_without_landmark_gets_the_localizers_names(
    tmp_path: Path, moved_mm: float
) -> None:
    scan = save_view(tmp_path / "loin.nii.gz", LOIN)
    loc = save_view(tmp_path / "whole.nii.gz", WIDE, of="labels", moved_mm=moved_mm)
    assert run(scan, tmp_path / "alone", "--quiet") == 0
    assert report_of(tmp_path / "alone", "loin")["column"]["ambiguous"]
    assert report_of(tmp_path / "alone", "loin")["column"]["outside"] == []

    assert run(scan, tmp_path / "out", "--loc", loc) == 0

    found = np.asarray(nib.load(tmp_path / "out" / "loin_dseg.nii.gz").dataobj)
    bones = np.isin(truth_on(LOIN), [VALUES[name] for name in ("T12", "L1", "L2", "L3")])
    np.testing.assert_array_equal(found[bones], truth_on(LOIN)[bones])
    report = report_of(tmp_path / "out", "loin")
    assert not report["column"]["ambiguous"]
    assert codes(report) == []
    (row,) = report["column"]["outside"]
    assert (row["source"], row["file"], row["matched"]) == ("localizer", "whole.nii.gz", 4)
    assert report["options"]["localizer"]["file"] == "whole.nii.gz"
    assert str(tmp_path) not in json.dumps(report)


def test_a_contradiction_is_told_with_both_readings(
    predict_with: PredictWith, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predict_with(blind(shift=1, claims=0.98))
    scan = save_view(tmp_path / "loin.nii.gz", LOIN)
    loc = save_view(tmp_path / "whole.nii.gz", WIDE, of="labels")

    assert run(scan, tmp_path / "out", "--loc", loc) == 0

    report = report_of(tmp_path / "out", "loin")
    assert codes(report) == ["sources-disagree"]
    (row,) = report["column"]["outside"]
    assert row["agrees"] is False
    vertebrae = [n for n, name in enumerate(row["names"]) if name and "-" not in name]
    assert [row["names"][n] for n in vertebrae] == ["T12", "L1", "L2", "L3"]
    assert [row["alone"][n] for n in vertebrae] == ["L1", "L2", "L3", "L4"]
    assert "says T12 to L3 where the scan alone says L1 to L4" in capsys.readouterr().err


def test_a_scan_in_place_of_its_labels_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scan = save_view(tmp_path / "loin.nii.gz", LOIN)
    grey = np.random.default_rng(3).integers(0, 256, (12, 40, 90)).astype(np.uint8)
    nib.save(nib.Nifti1Image(grey, np.diag([4.0, 2, 2, 1])), tmp_path / "whole.nii.gz")

    assert run(scan, tmp_path / "out", "--loc", tmp_path / "whole.nii.gz") == 1

    assert "whole.nii.gz: looks like a scan, not its labels" in capsys.readouterr().err


def test_a_localizer_of_another_place_or_none_at_all_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scan = save_view(tmp_path / "scans" / "loin.nii.gz", LOIN)
    save_view(tmp_path / "scans" / "other.nii.gz", LOIN)
    save_view(tmp_path / "locs" / "loin.nii.gz", WIDE, of="labels", moved_mm=900.0)

    assert run(scan.parent, tmp_path / "out", "--loc", tmp_path / "locs", "--quiet") == 0

    (told,) = report_of(tmp_path / "out", "loin")["warnings"]
    assert told["code"] == "localizer-elsewhere"
    assert "shows none of the vertebrae" in told["text"]
    assert codes(report_of(tmp_path / "out", "other")) == ["localizer-missing"]
    assert run(scan.parent, tmp_path / "out", "--loc", tmp_path / "locs") == 0
    assert capsys.readouterr().out.count("done before") == 2


def test_another_localizer_is_another_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scan = save_view(tmp_path / "loin.nii.gz", LOIN)
    loc = save_view(tmp_path / "whole.nii.gz", WIDE, of="labels")
    assert run(scan, tmp_path / "out", "--loc", loc, "--quiet") == 0

    save_view(loc, WIDE, of="labels", moved_mm=1.0)

    assert run(scan, tmp_path / "out", "--loc", loc) == 2
    assert "made with other options (localizer)" in capsys.readouterr().err


def test_suffixes_choose_scans_and_find_their_localizers(tmp_path: Path) -> None:
    for name in ("sub-1_T2w", "sub-1_T1w", "sub-2_STIR"):
        save_view(tmp_path / "scans" / f"{name}.nii.gz", LOIN)
    for name in ("sub-1_loc", "sub-2_loc_dseg"):
        save_view(tmp_path / "locs" / f"{name}.nii.gz", WIDE, of="labels")
    words = ["--loc", tmp_path / "locs", "--suffix", "_T2w", "_STIR", "--loc-suffix", "_loc"]

    assert run(tmp_path / "scans", tmp_path / "out", *words, "--quiet") == 0

    made = sorted(path.name for path in (tmp_path / "out").glob("*_dseg.json"))
    assert made == ["sub-1_T2w_dseg.json", "sub-2_STIR_dseg.json"]
    for stem, file in (("sub-1_T2w", "sub-1_loc.nii.gz"), ("sub-2_STIR", "sub-2_loc_dseg.nii.gz")):
        assert report_of(tmp_path / "out", stem)["column"]["outside"][0]["file"] == file


def test_a_folder_of_bids_derivatives_has_localizers_too(tmp_path: Path) -> None:
    scan = save_view(tmp_path / "raw/sub-1/anat/sub-1_STIR.nii.gz", LOIN)
    name = "sub-1_acq-loc_space-orig_seg-spine_desc-T1w_dseg.nii.gz"
    save_view(tmp_path / "derived/sub-1/anat" / name, WIDE, of="labels")
    words = ["--loc", tmp_path / "derived", "--suffix", "_STIR", "--loc-suffix", "_acq-loc_T1w"]

    assert run(tmp_path / "raw", tmp_path / "out", *words, "--quiet") == 0

    made = tmp_path / "out" / scan.relative_to(tmp_path / "raw").parent
    assert report_of(made, "sub-1_STIR")["column"]["outside"][0]["file"] == name
    assert run(scan, tmp_path / "alone", *words, "--quiet") == 0
    report = report_of(tmp_path / "alone", "sub-1_STIR")
    assert report["column"]["outside"][0]["file"] == name


def test_our_own_result_counts_with_its_own_probabilities(
    predict_with: PredictWith, tmp_path: Path
) -> None:
    whole = save_view(tmp_path / "whole.nii.gz", WIDE)
    predict_with(blind(claims=1.0))
    assert run(whole, tmp_path / "first", "--quiet", "--scheme", "totalspineseg") == 0
    predict_with(blind())
    scan = save_view(tmp_path / "loin.nii.gz", LOIN)

    loc = tmp_path / "first" / "whole_dseg.nii.gz"
    assert run(scan, tmp_path / "out", "--loc", loc, "--quiet") == 0

    assert vertebrae(report_of(tmp_path / "out", "loin")) == ["T12", "L1", "L2", "L3"]


def test_an_unsure_result_is_as_unsure_in_every_layout(tmp_path: Path) -> None:
    scan = save_view(tmp_path / "loin.nii.gz", LOIN)
    assert run(scan, tmp_path / "plain", "--quiet") == 0
    assert run(scan, tmp_path / "tree", "--layout", "totalspineseg", "--quiet") == 0
    assert report_of(tmp_path / "plain", "loin")["column"]["ambiguous"]

    told = []
    for loc in ("plain/loin_dseg.nii.gz", "tree/step2_output/loin.nii.gz", "tree"):
        out = tmp_path / "out" / Path(loc).parts[-1]
        assert run(scan, out, "--loc", tmp_path / loc, "--quiet") == 0
        told.append([row["outside"] for row in report_of(out, "loin")["evidence"]["items"]])

    assert any(any(row) for row in told[0])
    assert told[1] == told[2] == told[0]


@pytest.mark.parametrize("words", [(), ("--min-probability", "1")])
def test_a_result_that_names_nothing_does_not_harm(tmp_path: Path, words: tuple[str, ...]) -> None:
    moved_mm = 0.0 if words else 500.0
    first = save_view(tmp_path / "first.nii.gz", LOIN, moved_mm=moved_mm)
    assert run(first, tmp_path, "--quiet", *words) == 0
    bones = [row for row in report_of(tmp_path, "first")["structures"] if row["probability"]]
    assert bones == []
    scan = save_view(tmp_path / "loin.nii.gz", LOIN)

    assert run(scan, tmp_path / "out", "--loc", tmp_path / "first_dseg.nii.gz", "--quiet") == 0

    (told,) = report_of(tmp_path / "out", "loin")["warnings"]
    assert told["code"] == "localizer-elsewhere"
    assert "first_dseg.nii.gz names no vertebra" in told["text"]


def test_a_file_that_names_nothing_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scan = save_view(tmp_path / "loin.nii.gz", LOIN)
    loc = save_view(tmp_path / "parts.nii.gz", WIDE, of="parts")

    assert run(scan, tmp_path / "out", "--loc", loc) == 1
    assert "parts.nii.gz: names no vertebra" in capsys.readouterr().err
    assert run(scan, tmp_path / "out", "--loc", tmp_path / "absent.nii.gz") == 2
    assert "absent.nii.gz: no such localizer" in capsys.readouterr().err


def test_bones_without_a_name_are_called_so_and_no_scan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scan = save_view(tmp_path / "loin.nii.gz", LOIN)
    loc = save_view(tmp_path / "whole.nii.gz", WIDE, of="labels")
    image = nib.load(loc)
    labels = np.asarray(image.dataobj).astype(np.uint8)
    present = [int(value) for value in np.unique(labels) if value]
    for n, value in enumerate(present):
        labels[labels == value] = VALUES["vertebra_1"] + n
    nib.save(nib.Nifti1Image(labels, image.affine), loc)

    assert run(scan, tmp_path / "out", "--loc", loc) == 1
    assert "whole.nii.gz: names no vertebra and no disc" in capsys.readouterr().err


def test_another_programs_json_beside_a_localizer_is_not_read(tmp_path: Path) -> None:
    scan = save_view(tmp_path / "loin.nii.gz", LOIN)
    loc = save_view(tmp_path / "whole_dseg.nii.gz", WIDE, of="labels")
    (tmp_path / "whole_dseg.json").write_text('{"SpatialReference": "orig"}', encoding="utf-8")

    assert run(scan, tmp_path / "out", "--loc", loc, "--quiet") == 0

    assert vertebrae(report_of(tmp_path / "out", "loin")) == ["T12", "L1", "L2", "L3"]


@pytest.mark.parametrize("reported", [True, False])
def test_names_given_in_slicer_count_more_than_values_and_the_report(
    predict_with: PredictWith, tmp_path: Path, reported: bool
) -> None:
    predict_with(blind(shift=1, claims=1.0))
    whole = save_view(tmp_path / "whole.nii.gz", WIDE)
    assert run(whole, tmp_path, "--quiet", "--format", "seg.nrrd") == 0
    path = tmp_path / "whole_dseg.seg.nrrd"
    before = read_localizer(path)
    rows = [(value, name, (9, 9, 9)) for value, name in before.names.items()]
    up = {"L1": "T12", "L2": "L1", "L3": "L2", "L4": "L3", "L5": "L4", "L6": "L5"}
    renamed = [(value, up.get(name, name), rgb) for value, name, rgb in rows if "-" not in name]
    assert {name for _, name, _ in renamed} & set(up)
    write_seg_nrrd(path, before.labels.array, before.labels.grid, renamed)
    if not reported:
        (tmp_path / "whole_dseg.json").unlink()

    after = read_localizer(path)

    for value, name, _ in renamed:
        moved = after.labels.array[before.labels.array == value]
        assert (moved == VALUES[name]).all()
    np.testing.assert_allclose(after.reliability, END_IN_VIEW)


@pytest.mark.parametrize(
    ("renamed", "last"),
    [
        ({}, "L5-S1"),
        ({"L5": "L6"}, "L6-S1"),
        ({"L5": None, "L4-L5": None}, "L4-S1"),
        ({"L5": None}, "L5-S1"),
    ],
)
def test_the_last_disc_is_called_as_the_localizers_column_ends(
    tmp_path: Path, renamed: dict[str, str | None], last: str
) -> None:
    path = save_view(tmp_path / "whole.nii.gz", WIDE, of="labels")
    image = nib.load(path)
    labels = np.asarray(image.dataobj).copy()
    for old, new in renamed.items():
        labels[labels == VALUES[old]] = 0 if new is None else VALUES[new]
    nib.save(nib.Nifti1Image(labels, image.affine), path)

    assert read_localizer(path).names[VALUES["L5-S1"]] == last


def test_a_word_settles_what_sources_disagreed_on(
    predict_with: PredictWith, tmp_path: Path
) -> None:
    predict_with(blind(shift=1, claims=0.98))
    scan = save_view(tmp_path / "loin.nii.gz", LOIN)
    loc = save_view(tmp_path / "whole.nii.gz", WIDE, of="labels")
    assert run(scan, tmp_path / "out", "--loc", loc, "--quiet") == 0
    before = report_of(tmp_path / "out", "loin")
    assert codes(before) == ["sources-disagree"]
    first = vertebrae(before)[0]

    result = tmp_path / "out" / "loin_dseg.nii.gz"
    assert main(["relabel", str(result), "--set", f"{first}=T12", "--quiet"]) == 0

    assert codes(report_of(tmp_path / "out", "loin")) == []


@pytest.mark.parametrize("changed", ["localizer", "localizer_report"])
def test_a_result_by_another_localizer_is_not_taken_for_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changed: str
) -> None:
    whole = save_view(tmp_path / "whole.nii.gz", WIDE)
    assert run(whole, tmp_path / "first", "--quiet") == 0
    loc = tmp_path / "first" / "whole_dseg.nii.gz"
    words = (save_view(tmp_path / "loin.nii.gz", LOIN), tmp_path / "out", "--loc", loc)
    assert run(*words) == 0
    assert run(*words) == 0
    assert "done before" in capsys.readouterr().out

    if changed == "localizer":
        image = nib.load(loc)
        nib.save(nib.Nifti1Image(np.asarray(image.dataobj)[:, :, :-1], image.affine), loc)
    else:
        report = report_of(tmp_path / "first", "whole")
        for row in report["structures"]:
            row["probability"] = row["probability"] and 0.5
        loc.with_name("whole_dseg.json").write_text(json.dumps(report), encoding="utf-8")

    assert run(*words) == 2
    assert f"was made with other options ({changed}); add --over" in capsys.readouterr().err
    assert run(*words, "--overwrite") == 0
    assert run(*words) == 0

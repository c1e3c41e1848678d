import json
import shutil
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from blocks import BlockSpine, PredictWith, draw_blocks, draw_loin, oracle_for
from results import bytes_of, report_of, vertebrae, voxels
from spinekit.anatomy.items import Instance, Instances
from spinekit.anatomy.scheme import VALUES
from spinekit.apps.cli import main
from spinekit.core.grid import Grid
from spinekit.pipeline import segment
from spinekit.relabelling.words import Column, certain_levels

GRID = Grid((1, 1, 1), np.eye(4))


@pytest.fixture(scope="module")
def loin() -> BlockSpine:
    """T12 to L3 and no sacrum: a column that could be moved up or down."""
    return draw_loin()


@pytest.fixture(scope="module")
def made(loin: BlockSpine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result's folder, never changed."""
    found = segment(loin.image, affine=loin.grid.affine, predictor=oracle_for(loin))
    return found.save(tmp_path_factory.mktemp("made"), stem="spine")["dseg"].parent


@pytest.fixture
def result(made: Path, tmp_path: Path) -> Path:
    """Labels of a result, alone with its files."""
    return shutil.copytree(made, tmp_path / "out") / "spine_dseg.nii.gz"


def test_one_word_moves_every_name_below_and_above(result: Path) -> None:
    before = voxels(result)
    old = report_of(result.parent)
    assert vertebrae(old) == ["T12", "L1", "L2", "L3"]

    assert main(["relabel", str(result), "--set", "42=L3", "--quiet"]) == 0

    after, new = voxels(result), report_of(result.parent)
    assert vertebrae(new) == ["L1", "L2", "L3", "L4"]
    for was, now in (("T12", "L1"), ("L2", "L3"), ("L1-L2", "L2-L3"), ("T12-L1", "L1-L2")):
        np.testing.assert_array_equal(after == VALUES[now], before == VALUES[was])
    np.testing.assert_array_equal(after > 0, before > 0)
    rows = {row["name"]: row for row in new["structures"]}
    assert rows["L3"]["probability"] == 1.0
    assert rows["L4"]["volume_mm3"] == old["structures"][6]["volume_mm3"]
    assert [row["name"] for row in new["evidence"]["items"]][:3] == ["L1", "L1-L2", "L2"]
    (change,) = new["provenance"]
    assert change["action"] == "relabel"
    assert change["words"] == [{"item": 4, "from": "L2", "to": "L3"}]
    assert list(new) == list(old)


def test_a_word_names_what_was_left_without_a_name(loin: BlockSpine, tmp_path: Path) -> None:
    found = segment(
        loin.image, affine=loin.grid.affine, predictor=oracle_for(loin), min_probability=1.0
    )
    assert vertebrae(found.report)[0] == "vertebra_1"
    path = found.save(tmp_path, stem="spine")["dseg"]
    before = voxels(path)

    assert main(["relabel", str(path), "--set", "vertebra_1=T12", "--quiet"]) == 0

    first = before == VALUES["vertebra_1"]
    assert first.any()
    np.testing.assert_array_equal(voxels(path) == VALUES["T12"], first)
    np.testing.assert_array_equal(voxels(path) > 0, before > 0)
    rows = {row["name"]: row for row in report_of(path.parent)["structures"]}
    assert rows["T12"]["probability"] == 1.0


def test_undo_leads_back_step_by_step_to_the_same_bytes(result: Path) -> None:
    states = [bytes_of(result.parent)]
    for word in ("l2=L3", "L3=L1"):
        main(["relabel", str(result), "--set", word, "--quiet"])
        states.append(bytes_of(result.parent))
    assert vertebrae(report_of(result.parent)) != vertebrae(
        json.loads(states[1]["spine_dseg.json"])
    )

    for state in reversed(states[:-1]):
        assert main(["relabel", str(result), "--undo", "--quiet"]) == 0
        assert bytes_of(result.parent) == state

    assert main(["relabel", str(result), "--undo"]) == 2


def test_a_picture_that_was_not_there_goes_again(result: Path) -> None:
    (result.parent / "spine_preview.png").unlink()
    states = [bytes_of(result.parent)]
    for word in ("L2=L3", "L3=L1"):
        main(["relabel", str(result), "--set", word, "--quiet"])
        states.append(bytes_of(result.parent))

    for state in reversed(states[:-1]):
        assert main(["relabel", str(result), "--undo", "--quiet"]) == 0
        assert bytes_of(result.parent) == state


@pytest.mark.parametrize("name", ["L3", "L4", "l2 ", None])
def test_names_changed_in_the_report_by_hand_are_refused(
    result: Path, name: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    report = report_of(result.parent)
    row = next(row for row in report["structures"] if row["name"] == "L2")
    row["name"] = name
    (result.parent / "spine_dseg.json").write_text(json.dumps(report))
    before = bytes_of(result.parent)

    assert main(["relabel", str(result), "--set", "L1=L2"]) == 1

    assert "spine_dseg.json: its names or values were changed by hand" in capsys.readouterr().err
    assert bytes_of(result.parent) == before


def test_a_change_cut_short_is_noticed_and_undone(
    result: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = bytes_of(result.parent)
    main(["relabel", str(result), "--set", "L2=L3", "--quiet"])
    # Killed before the sidecar, which moves last.
    (result.parent / "spine_dseg.json").write_bytes(before["spine_dseg.json"])

    assert main(["relabel", str(result), "--set", "L2=L3"]) == 1
    assert "which its report does not tell of" in capsys.readouterr().err
    assert main(["relabel", str(result), "--undo", "--quiet"]) == 0
    assert bytes_of(result.parent) == before


def test_a_later_word_about_the_same_bone_replaces_the_earlier(result: Path) -> None:
    main(["relabel", str(result), "--set", "L2=L3", "--quiet"])

    assert main(["relabel", str(result), "--set", "L3=L4", "--quiet"]) == 0

    assert vertebrae(report_of(result.parent))[2] == "L4"
    assert len(report_of(result.parent)["provenance"]) == 2


def test_a_word_against_an_earlier_one_about_another_structure_says_the_way_out(
    result: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["relabel", str(result), "--set", "L1-L2=L2-L3", "--quiet"])

    for word in ("L2=L4", "L4=L3"):  # the bone above that disc, and the next but one
        assert main(["relabel", str(result), "--set", word]) == 2
        assert "names given before count too, until --undo" in capsys.readouterr().err

    assert main(["relabel", str(result), "--undo", "--quiet"]) == 0
    assert main(["relabel", str(result), "--set", "L3=L2", "--quiet"]) == 0
    assert vertebrae(report_of(result.parent)) == ["T11", "T12", "L1", "L2"]


def test_a_place_means_the_bone_that_lies_there(
    result: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = next(row for row in report_of(result.parent)["structures"] if row["name"] == "L2")
    right, _, up = row["centroid_ras_mm"]

    words = ["--at", f"{right},12,{up}=l3", "--at", "-9,12,-900=L3"]
    assert main(["relabel", str(result), *words]) == 2
    assert "within 10 mm of -9, 12, -900" in capsys.readouterr().err

    assert main(["relabel", str(result), *words[:2], "--quiet"]) == 0

    assert vertebrae(report_of(result.parent)) == ["L1", "L2", "L3", "L4"]


def test_a_disc_tells_nothing_of_a_bone_beyond_a_missed_one() -> None:
    heights = {"L2": 0.0, "L5": 80.0, "sacrum": 114.0}
    rows = [("vertebra", top, 26.0) for top in heights.values()]
    rows.insert(1, ("disc", 72.0, 8.0))
    items = tuple(
        Instance(kind, n + 1, (0.0, 0.0, 0.0), 9e3, False, False, top + high / 2, top, top + high,
                 high, 30.0, 40.0)
        for n, (kind, top, high) in enumerate(rows)
    )  # fmt: skip
    empty = np.zeros((1, 1, 1), np.uint8)
    instances = Instances(empty, empty, empty, items, (1.0, 1.0, 1.0))
    column = Column("a.nii.gz", instances, ("L2", "L3-L4", "L5", None), [], empty, GRID)

    assert certain_levels(column, {1: "L4-L5"}) == {2: "L5"}


def test_a_disc_names_the_bones_beside_it(result: Path) -> None:
    assert main(["relabel", str(result), "--set", "L1-L2=L2-L3", "--quiet"]) == 0

    assert vertebrae(report_of(result.parent)) == ["L1", "L2", "L3", "L4"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "41=L3", "--set", "42=L1"], "no legal column"),
        (["--set", "41=L3", "--set", "42=L3"], "two structures cannot both be L3"),
        (["--set", "L1-L2=L2-L3", "--set", "L2=L4"], "gz: one bone cannot be L3 and L4"),
        (["--set", "L7=L3"], "nothing in it is L7; it has T12"),
        (["--set", "41=L9"], "'L9' is no vertebra or disc"),
        (["--set", "41=L3-L4"], "L1 is a vertebra"),
        (["--set", "41=sacrum"], "L1 is a vertebra"),
        (["--set", "17=L3"], "spine_dseg.nii.gz: nothing in it has the value 17; it has T12"),
        (["--set", "L3"], "'L3' is no VALUE=NAME"),
        (["--at=1,2=L3"], "no place R,A,S"),
        (["--at=900,2,3=L3"], "within 10 mm of 900, 2, 3"),
        (["--set", "41=L3", "--undo"], "either names or --undo"),
        (["--set", "L1=L3", "--set", "41=L4"], "L1 cannot be L3 and L4"),
        ([], "either names or --undo"),
        (["--undo"], "no name was changed"),
    ],
)
def test_wrong_use_changes_nothing(
    result: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = bytes_of(result.parent)

    assert main(["relabel", str(result), *words]) == 2

    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert error.count(result.name) <= 1
    assert bytes_of(result.parent) == before


@pytest.mark.parametrize("word", ["L5=L1", "L5=C7", "T12=C7", "L3=L1"])
def test_names_that_no_column_above_the_sacrum_has_are_refused(
    word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = draw_blocks((4.0, 2.0, 2.0))
    found = segment(whole.image, affine=whole.grid.affine, predictor=oracle_for(whole))
    path = found.save(tmp_path / "out", stem="spine")["dseg"]
    assert {"T12", "L5", "sacrum"} <= {row["name"] for row in report_of(path.parent)["structures"]}
    before = bytes_of(path.parent)
    assert main(["relabel", str(path), "--set", word]) == 2
    assert "above the sacrum in view" in capsys.readouterr().err
    assert bytes_of(path.parent) == before


def test_a_file_that_is_no_result_is_refused(
    result: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = result.parent / "spine_parts.nii.gz"
    assert main(["relabel", str(other), "--set", "41=L3"]) == 2
    for words in (["--set", "41=L3"], ["--undo"]):
        assert main(["relabel", str(result.with_suffix("")), *words]) == 2
        assert "spine_dseg.nii: no such file" in capsys.readouterr().err
    before = bytes_of(result.parent)
    words = ["--set", "41=L3", "--image", "nowhere.nii.gz"]
    assert main(["relabel", str(result), *words]) == 2
    assert "nowhere.nii.gz: no such file; check --image" in capsys.readouterr().err
    assert bytes_of(result.parent) == before
    (result.parent / "spine_dseg.json").unlink()
    assert main(["relabel", str(result), "--set", "41=L3"]) == 1
    assert "keep it where it was written" in capsys.readouterr().err


def test_files_are_as_they_were_when_writing_fails(
    result: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spinekit import segmentation

    before = bytes_of(result.parent)

    def fail(path: Path, content: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(segmentation, "write_json", fail)

    assert main(["relabel", str(result), "--set", "L2=L3"]) == 1
    assert bytes_of(result.parent) == before


def test_slicer_files_and_other_schemes_follow(loin: BlockSpine, tmp_path: Path) -> None:
    from spinekit.io.reading import read_labels

    made = segment(
        loin.image, affine=loin.grid.affine, predictor=oracle_for(loin), scheme="totalspineseg"
    )
    path = made.save(tmp_path, stem="spine", fmt="seg.nrrd")["dseg"]
    before = read_labels(path).array

    assert main(["relabel", str(path), "--set", "L2=L3", "--quiet"]) == 0

    after = read_labels(path).array
    rows = {row["name"]: row["value"] for row in report_of(path.parent)["structures"]}
    np.testing.assert_array_equal(after == rows["L3"], before == VALUES["L2"])
    assert b":=L4\n" in path.read_bytes().split(b"\n\n")[0]


def test_a_result_saved_in_two_formats_is_corrected_in_both(
    loin: BlockSpine, tmp_path: Path
) -> None:
    from spinekit.io.reading import read_labels

    made = segment(loin.image, affine=loin.grid.affine, predictor=oracle_for(loin))
    paths = [made.save(tmp_path, stem="spine", fmt=fmt)["dseg"] for fmt in ("nii.gz", "seg.nrrd")]
    before = read_labels(paths[0]).array

    assert main(["relabel", str(paths[1]), "--set", "L2=L3", "--quiet"]) == 0

    for path in paths:
        after = read_labels(path).array
        np.testing.assert_array_equal(after == VALUES["L3"], before == VALUES["L2"])


def test_a_scheme_that_lost_structures_is_refused(
    loin: BlockSpine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = segment(loin.image, affine=loin.grid.affine, predictor=oracle_for(loin), scheme="gliwa")
    path = made.save(tmp_path, stem="spine")["dseg"]
    if not any(row["value"] is None for row in report_of(path.parent)["structures"]):
        pytest.fail("the scheme holds everything; choose one that does not")

    assert main(["relabel", str(path), "--set", "L2=L3"]) == 1
    assert "without --scheme" in capsys.readouterr().err


def test_the_archive_for_undo_is_the_same_every_time(result: Path) -> None:
    archive = result.parent / "spine_undo.zip"
    main(["relabel", str(result), "--set", "L2=L3", "--quiet"])
    first = archive.read_bytes()
    main(["relabel", str(result), "--undo", "--quiet"])
    assert not archive.exists()
    main(["relabel", str(result), "--set", "L2=L3", "--quiet"])

    assert archive.read_bytes() == first
    with zipfile.ZipFile(archive) as kept:
        assert "spine_dseg.json" in kept.namelist()


@pytest.fixture
def run_of_two(loin: BlockSpine, tmp_path: Path, predict_with: PredictWith) -> Path:
    """OUT of a run over two scans, one in a folder of its own."""
    predict_with(oracle_for(loin))
    for name in ("p1/spine", "other"):
        path = tmp_path / "scans" / f"{name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(loin.image, loin.grid.affine), path)
    words = [str(tmp_path / "scans"), str(tmp_path / "out"), "--levels", "--quiet"]
    assert main(["segment", *words]) == 0
    return tmp_path / "out"


def test_the_table_of_the_run_and_the_levels_follow_and_come_back(run_of_two: Path) -> None:
    table = run_of_two / "summary.csv"
    before = bytes_of(run_of_two / "p1"), table.read_bytes()
    seg = run_of_two / "p1" / "spine_dseg.nii.gz"
    points = voxels(run_of_two / "p1" / "spine_levels.nii.gz")

    assert main(["relabel", str(seg), "--set", "L2=L3", "--quiet"]) == 0

    rows = dict(line.split(",", 1) for line in table.read_text().splitlines())
    assert "L1 L2 L3 L4" in rows["p1/spine.nii.gz"]
    assert "T12 L1 L2 L3" in rows["other.nii.gz"]
    moved = voxels(run_of_two / "p1" / "spine_levels.nii.gz")
    np.testing.assert_array_equal(moved[points > 0], points[points > 0] + 1)

    assert main(["relabel", str(seg), "--undo", "--quiet"]) == 0
    assert (bytes_of(run_of_two / "p1"), table.read_bytes()) == before


def test_points_of_which_only_the_table_was_kept_follow_too(run_of_two: Path) -> None:
    folder = run_of_two / "p1"
    (folder / "spine_levels.nii.gz").unlink()
    table = folder / "spine_levels.json"
    before = table.read_bytes()
    assert b'"L2-L3"' in before
    assert b'"T12-L1"' in before

    assert main(["relabel", str(folder / "spine_dseg.nii.gz"), "--set", "L2=L3", "--quiet"]) == 0

    after = table.read_bytes()
    assert b'"L3-L4"' in after
    assert b'"T12-L1"' not in after
    assert main(["relabel", str(folder / "spine_dseg.nii.gz"), "--undo", "--quiet"]) == 0
    assert table.read_bytes() == before
    assert not (folder / "spine_levels.nii.gz").exists()

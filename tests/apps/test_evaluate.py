import json
from pathlib import Path

import numpy as np
import pytest

from blocks import BlockSpine
from spinekit.apps.cli import main
from spinekit.evaluation.reference import DISCS
from spinekit.evaluation.table import COLUMNS
from spinekit.io.writing import write_labels


@pytest.fixture
def pair(spine: BlockSpine, tmp_path: Path) -> tuple[Path, Path]:
    """A prediction that is the truth but for one name, and the truth."""
    wrong = spine.labels.copy()
    wrong[wrong == 41] = 33
    write_labels(tmp_path / "pred" / "a_dseg.nii.gz", wrong, spine.grid)
    write_labels(tmp_path / "ref" / "a.nii.gz", spine.labels, spine.grid)
    return tmp_path / "pred", tmp_path / "ref"


def test_a_table_with_what_is_wrong(
    pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(pair[0]), str(pair[1])]) == 0

    lines = capsys.readouterr().out.splitlines()
    (vertebra,) = [line for line in lines if line.strip().startswith("vertebra")]
    assert "1.000" in vertebra
    assert "83.3" in vertebra


def test_bodies_that_nothing_tells_from_arches_are_told_not_to_be_compared(
    spine: BlockSpine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pred, ref = tmp_path / "pred" / "a_dseg.nii.gz", tmp_path / "ref" / "a_dseg.nii.gz"
    write_labels(pred, spine.labels, spine.grid)
    write_labels(ref, spine.labels, spine.grid)
    write_labels(tmp_path / "ref" / "a_parts.nii.gz", spine.parts, spine.grid)

    assert main(["evaluate", str(pred.parent), str(ref.parent)]) == 0

    said = capsys.readouterr()
    assert not any(line.strip().startswith("body") for line in said.out.splitlines())
    assert "a: bodies are not compared, for no _parts beside the prediction" in said.err
    assert main(["evaluate", str(ref.parent), str(ref.parent)]) == 0
    assert "not compared" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("a_dseg",), True),
        (("a",), True),
        (("a_dseg", "a_parts"), False),
        (("a_bodies",), False),
        (("a_discs",), False),
    ],
)
def test_whole_vertebrae_that_answer_a_reference_of_bodies_are_told(
    spine: BlockSpine,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    names: tuple[str, ...],
    told: bool,
) -> None:
    discs = np.where(np.isin(spine.labels, DISCS), spine.labels, 0)
    held = {"a_parts": spine.parts, "a_discs": discs}
    for name in names:
        place = tmp_path / "pred" / f"{name}.nii.gz"
        write_labels(place, held.get(name, spine.labels), spine.grid)
    write_labels(tmp_path / "ref" / "a_bodies.nii.gz", spine.labels, spine.grid)

    assert main(["evaluate", str(tmp_path / "pred"), str(tmp_path / "ref")]) == 0

    said = capsys.readouterr().err
    assert ("arches that the prediction may have count as bodies" in said) == told


def test_scores_can_be_kept(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, document = tmp_path / "scores.csv", tmp_path / "scores.json"
    main(["evaluate", *map(str, pair), "--csv", str(table), "--json", str(document)])
    main(["evaluate", *map(str, pair), "--json"])

    assert table.read_text().startswith("dataset,subject,scan")
    printed = capsys.readouterr().out
    assert json.loads(printed[printed.index("{") :]) == json.loads(document.read_text())


def test_nothing_to_compare_is_one_line(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()

    assert main(["evaluate", str(pair[0]), str(tmp_path / "empty")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_what_is_not_there_is_wrong_use_and_what_cannot_be_read_is_a_failure(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pred, ref = pair
    for words in ((pred, tmp_path / "nowhere"), (tmp_path / "nowhere", ref)):
        assert main(["evaluate", *map(str, words)]) == 2
        assert "nowhere does not exist" in capsys.readouterr().err
    (pred / "a_dseg.nii.gz").write_bytes(b"no labels")

    assert main(["evaluate", str(pred), str(ref)]) == 1


def test_a_damaged_prediction_is_listed_and_the_others_are_scored(
    pair: tuple[Path, Path], spine: BlockSpine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pred, ref = pair
    table = tmp_path / "scores.csv"
    write_labels(ref / "b.nii.gz", spine.labels, spine.grid)
    (pred / "b_dseg.nii.gz").write_bytes((pred / "a_dseg.nii.gz").read_bytes()[:-40])

    assert main(["evaluate", str(pred), str(ref), "--csv", str(table)]) == 1
    shown = capsys.readouterr()
    assert "83.3" in shown.out
    (line,) = shown.err.splitlines()
    assert line.startswith("spinekit: error: b: b_dseg.nii.gz: ")
    assert {row.split(",")[2] for row in table.read_text().splitlines()[1:]} == {"a"}

    (pred / "a_dseg.nii.gz").write_bytes(b"no labels")
    table.unlink()
    assert main(["evaluate", str(pred), str(ref), "--csv", str(table)]) == 1
    shown = capsys.readouterr()
    assert len(shown.err.splitlines()) == 2
    assert shown.out == "nothing to score\n"
    assert len(table.read_text().splitlines()) == 1


def test_where_no_scan_has_a_score_what_was_asked_for_is_written_all_the_same(
    pair: tuple[Path, Path], spine: BlockSpine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pred, ref = pair
    table, document = tmp_path / "scores.csv", tmp_path / "scores.json"
    write_labels(ref / "a.nii.gz", spine.labels * 0, spine.grid)
    nothing = {"schema_version": 1, "summary": [], "scans": []}

    assert main(["evaluate", str(pred), str(ref), "--json", "--csv", str(table)]) == 1
    shown = capsys.readouterr()
    assert json.loads(shown.out) == nothing
    assert "a: nothing that could be compared is marked" in shown.err
    assert table.read_text() == ",".join(COLUMNS) + "\n"
    assert main(["evaluate", str(pred), str(ref), "--json", str(document)]) == 1
    assert json.loads(document.read_text()) == nothing
    assert capsys.readouterr().out == "nothing to score\n"


def test_masks_in_the_values_of_another_tool_are_told(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pred, ref = map(str, pair)
    other, back = str(tmp_path / "other"), str(tmp_path / "back")
    main(["evaluate", pred, ref])
    assert capsys.readouterr().err == ""
    assert main(["labels", "convert", ref, "--to", "spider", "--out", other]) == 0
    assert main(["labels", "convert", other, "--from", "spider", "--out", back]) == 0

    main(["evaluate", pred, other])
    (line,) = capsys.readouterr().err.splitlines()
    assert "1 file holds values that mean nothing in SpineKit's scheme (a.nii.gz: 3, 4, 5" in line
    main(["evaluate", pred, back])
    assert capsys.readouterr().err == ""

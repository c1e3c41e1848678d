"""A scan that fails stands in the table of accuracy, and so does the worst one's share."""

import argparse
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import accuracy
from blocks import oracle_for
from spinekit.datasets.real import list_real_cases
from spinekit.evaluation.summary import summarise
from tables import write_scores


@pytest.fixture
def cases(spine, tmp_path):
    """Annotated scans: two block spines, and between them a file that is no scan."""
    bodies = np.where(spine.parts == 1, spine.labels, 0).astype(np.uint8)
    index = []
    for name in ("toy01", "toy02", "toy03"):
        image = tmp_path / "real" / "images" / f"{name}.nii.gz"
        mask = tmp_path / "real" / "labels" / f"{name}_bodies.nii.gz"
        for path, array in ((image, spine.image.astype(np.int16)), (mask, bodies)):
            path.parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(array, spine.grid.affine), path)
        index.append({"name": name, "dataset": "toy", "subject": name})
    (tmp_path / "real" / "images" / "toy02.nii.gz").write_bytes(b"no scan")
    (tmp_path / "real" / "index.json").write_text(json.dumps(index))
    return list_real_cases(tmp_path / "real")


def score(cases, spine, out: Path):
    failed = accuracy.segment_cases(cases, oracle_for(spine), out)
    return failed, accuracy.score_cases(cases, out, failed)


def test_a_failed_scan_is_all_missed(cases, spine, tmp_path):
    failed, scores = score(cases, spine, tmp_path / "out")
    assert list(failed) == ["toy02"]
    (row,) = summarise(scores)
    assert (row.n_scans, row.n_instances, row.missed) == (3, 18, 6)
    assert row.dice.mean == pytest.approx(2 / 3, abs=0.01)
    assert (row.worst_scan, row.worst_dice) == ("toy02", 0)


def test_all_scans_may_fail(cases, spine, tmp_path):
    failed, scores = score(cases[1:2], spine, tmp_path / "out")
    assert list(failed) == ["toy02"]
    (row,) = summarise(scores)
    assert row.missed == 6


def test_the_table_shows_the_worst_share(cases, spine, tmp_path, capsys):
    _, scores = score(cases, spine, tmp_path / "out")
    write_scores(tmp_path / "toy.csv", scores, {"failed, counted as missed": "toy02 (x)"})
    accuracy.print_row(tmp_path / "toy.csv")
    shown = capsys.readouterr().out
    assert "# failed, counted as missed: toy02 (x)" in shown
    assert "0.00  toy02  (below 0.80)" in shown


def test_every_committed_row_can_be_printed_again(capsys):
    assert accuracy.main(["table"]) == 0

    headings = [line for line in capsys.readouterr().out.splitlines() if line.startswith("== ")]
    assert headings == ["== h1", "== h2", "== h3", "== shipped", "== within"]


def test_tables_of_other_benchmarks_are_no_rows(monkeypatch, tmp_path):
    monkeypatch.setattr(accuracy, "RESULTS", tmp_path)
    header = "dataset,subject,scan,scope,structure\n"
    (tmp_path / "h1.csv").write_text(f"# row: h1\n# command: x\n{header}")
    (tmp_path / "ablation.csv").write_text("# row: ablation\nhold_out,variant,steps\n")
    (tmp_path / "doctor.csv").write_text("kind,found\n")
    assert [path.name for path in accuracy.list_rows()] == ["h1.csv"]


@pytest.mark.parametrize(
    ("sets", "held_out", "said"),
    [
        (None, False, "--sets a b"),
        (None, True, "--held-out"),
        (["b", "a"], True, "--held-out --sets a b"),
    ],
)
def test_the_command_of_a_row_says_all_that_chose_its_scans(sets, held_out, said):
    args = argparse.Namespace(row="x", model=Path("m.onnx"), sets=sets, held_out=held_out)
    command = accuracy.write_command(args, "mine", {"b", "a"})
    assert command == (
        f"python benchmarks/accuracy.py run --row x --model .spinekit/runs/mine/model.onnx {said}"
    )

"""What a row says of a report."""

import csv
import io
import json
import os
from pathlib import Path

import pytest

from spinekit.apps.batch import write_summary
from spinekit.apps.jobs import Outcome
from spinekit.apps.summary import describe_report, merge_rows, refresh_row, write_rows


def test_anomalies_are_told_unless_they_are_unlikely() -> None:
    anomalies = [
        {"name": "L6", "probability": 0.14, "text": "six lumbar vertebrae: 14%"},
        {"name": "T13", "probability": 0.69, "text": "thirteen thoracic vertebrae: 69%"},
        {"name": "four-lumbar", "probability": None, "text": "four lumbar vertebrae"},
    ]
    column = {"ambiguous": False, "anomalies": anomalies}
    row = describe_report({"structures": [], "column": column, "warnings": []})
    # Counting from landmarks gives no probability.
    assert row["anomalies"] == ("thirteen thoracic vertebrae: 69%", "four lumbar vertebrae")
    assert row["probability"] is None


def test_a_table_of_another_program_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    theirs = "Größe,preview\n1,2\n".encode("latin-1")
    (tmp_path / "summary.csv").write_bytes(theirs)

    assert refresh_row(tmp_path / "out" / "a_preview.png", {}) is None
    assert (tmp_path / "summary.csv").read_bytes() == theirs


def row(name: str, status: str = "done", **more: object) -> dict:
    outcome = Outcome(name, status, preview=f"out/{Path(name).stem}.png", **more)
    return outcome.to_dict() | ({"preview": ""} if status == "failed" else {})


def write(folder: Path, rows: list[dict]) -> None:
    write_rows(folder / "summary.csv", Outcome.__dataclass_fields__, rows)


def test_rows_of_earlier_runs_stay_while_they_are_true(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "c.png").touch()
    old = [row("a.nii", seconds=3.5), row("b.nii"), row("bad.nii", "failed", code="empty-file")]
    write(tmp_path, [*old, row("c.mha", seconds=2.0), row("again.nii", "failed")])

    merged = merge_rows(tmp_path, [row("c.nii"), row("again.nii")])

    # b's result is gone, c's is now another scan's.
    assert [cells["input"] for cells in merged] == ["a.nii", "bad.nii", "c.nii", "again.nii"]
    assert [cells["status"] for cells in merged] == ["done", "failed", "done", "done"]
    assert [cells["seconds"] for cells in merged[:1]] == ["3.5"]
    write(tmp_path, merged)
    assert [cells["input"] for cells in merge_rows(tmp_path, [row("d.nii")])] == [
        "a.nii",
        "bad.nii",
        "c.nii",
        "d.nii",
    ]


def test_results_of_one_scan_in_two_places_have_a_row_each(tmp_path: Path) -> None:
    for name in ("a.png", "a_res-1mm.png"):
        (tmp_path / name).touch()
    fine = row("a.nii", seconds=2.0) | {"preview": "out/a_res-1mm.png"}
    write(tmp_path, [row("a.nii", seconds=1.0), fine])
    reach = {"a.nii": [tmp_path / "a_res-1mm.png", tmp_path / "a_res-1mm.json"]}

    merged = merge_rows(tmp_path, [fine | {"status": "skipped", "seconds": 0.1}], reach)

    assert [(cells["preview"], float(cells["seconds"])) for cells in merged] == [
        ("out/a.png", 1.0),
        ("out/a_res-1mm.png", 2.0),
    ]
    write(tmp_path, merged)
    failed = [row("a.nii", "failed", code="file-damaged")]
    merged = merge_rows(tmp_path, failed, reach)
    assert [cells["status"] for cells in merged] == ["done", "failed"]


def test_a_folder_that_failed_as_one_scan_and_is_done_as_several_is_no_failure(
    tmp_path: Path,
) -> None:
    before = [row("all", "failed", code="several-series"), row("al", "failed"), row("alls")]
    write(tmp_path, before)
    (tmp_path / "alls.png").touch()

    merged = merge_rows(tmp_path, [row("all/T1"), row("all/T2")])

    assert [r["input"] for r in merged] == ["al", "alls", "all/T1", "all/T2"]


def test_what_was_done_before_keeps_its_seconds(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.nii")
    write(tmp_path, [row(name, seconds=3.5), row("b.nii", seconds=1.0)])

    merged = merge_rows(tmp_path, [row(name, "skipped", seconds=3.1), row("b.nii", seconds=9.0)])

    assert [float(cells["seconds"]) for cells in merged] == [3.5, 9.0]


FOREIGN = [b"a,b\n1,2\n", b"\xff\xfe", b"input,preview\n1,2,3,4\n", b"input;status;reader\n"]


@pytest.mark.parametrize("content", FOREIGN)
def test_another_programs_table_is_kept_under_another_name_and_that_is_said(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "summary.csv").write_bytes(content)
    (tmp_path / "summary.csv.before").write_bytes(b"older")

    for name in ("a.nii", "b.nii"):
        (tmp_path / name).with_suffix(".png").touch()
        write_summary(tmp_path, [Outcome(name, "done", preview=str(tmp_path / f"{name[0]}.png"))])

    assert (tmp_path / "summary.csv.before").read_bytes() == b"older"
    assert (tmp_path / "summary.csv.before1").read_bytes() == content
    assert len((tmp_path / "summary.csv").read_text().splitlines()) == 3
    (said,) = capsys.readouterr().err.splitlines()
    assert said.endswith("summary.csv was not written by this program; it is now called "
                         "summary.csv.before1")  # fmt: skip
    assert not list(tmp_path.glob("failures.json.*"))


@pytest.mark.parametrize("content", [b"{}", b'{"a": 1}', b"[1]", b"no JSON", b'[{"input": "a"}]'])
def test_another_programs_failures_are_kept_too(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "failures.json").write_bytes(content)

    write_summary(tmp_path, [Outcome("a.nii", "failed", code="x", message="y")], quiet=True)

    assert (tmp_path / "failures.json.before").read_bytes() == content
    told = json.loads((tmp_path / "failures.json").read_text())
    assert told == [{"input": "a.nii", "code": "x", "message": "y"}]


def test_an_empty_file_is_nothing_to_keep(tmp_path: Path) -> None:
    for name in ("summary.csv", "failures.json"):
        (tmp_path / name).touch()

    write_summary(tmp_path, [Outcome("a.nii", "failed", code="x", message="y")])

    assert sorted(path.name for path in tmp_path.iterdir()) == ["failures.json", "summary.csv"]


@pytest.mark.parametrize("parting", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_summary_that_a_spreadsheet_has_saved_loses_no_row(
    tmp_path: Path, parting: str, mark: str
) -> None:
    (tmp_path / "ä.png").touch()
    write(tmp_path, [row("ä.nii", seconds=3.5, warnings=("one; two,\tthree",))])
    columns, cells = csv.reader((tmp_path / "summary.csv").read_text(encoding="utf-8").splitlines())
    text = io.StringIO(mark, newline="")
    text.seek(0, 2)
    csv.writer(text, delimiter=parting).writerows([columns, cells])
    (tmp_path / "summary.csv").write_text(text.getvalue(), encoding="utf-8", newline="")

    write_summary(tmp_path, [Outcome("b.nii", "failed", code="x", message="y")])

    assert not list(tmp_path.glob("*.before"))
    table = csv.DictReader((tmp_path / "summary.csv").read_text(encoding="utf-8").splitlines())
    first, second = table
    assert (first["input"], first["warnings"]) == ("ä.nii", "one; two,\tthree")
    assert second["input"] == "b.nii"
    assert refresh_row(tmp_path / "ä.png", REPORT) == tmp_path / "summary.csv"


@pytest.mark.parametrize("begin", ["", "sep=;\r\n"])
def test_a_summary_in_a_spreadsheets_code_page_is_one_of_ours(tmp_path: Path, begin: str) -> None:
    (tmp_path / "a.png").touch()
    write(tmp_path, [row("a.nii", seconds=3.5, warnings=("für alle",))])
    text = (tmp_path / "summary.csv").read_text(encoding="utf-8").replace(",", ";")
    (tmp_path / "summary.csv").write_bytes((begin + text).encode("cp1252"))

    write_summary(tmp_path, [Outcome("b.nii", "failed", code="x", message="y")])

    assert not list(tmp_path.glob("*.before"))
    table = csv.DictReader((tmp_path / "summary.csv").read_text(encoding="utf-8").splitlines())
    assert [(cells["input"], cells["warnings"]) for cells in table] == [
        ("a.nii", "für alle"),
        ("b.nii", ""),
    ]


def test_a_scan_that_a_result_kept_out_does_not_take_its_row(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    write(tmp_path, [row("a.nii", seconds=3.5), row("b.nii", seconds=2.0)])
    kept_out = [row(name, "failed", code="other-scan") for name in ("a.nii", "b.nii")]

    merged = merge_rows(tmp_path, kept_out)

    # Of b there is no result any more.
    assert [(cells["input"], cells["status"]) for cells in merged] == [
        ("a.nii", "done"),
        ("b.nii", "failed"),
    ]


def test_a_table_that_does_not_list_a_result_needs_no_right_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    write(tmp_path, [row("other.nii")])

    def refuse(path: Path) -> None:
        raise PermissionError(path)

    monkeypatch.setattr("spinekit.apps.summary.alone", refuse)

    assert refresh_row(tmp_path / "out" / "a_preview.png", {}) is None


REPORT = {
    "structures": [{"part": "vertebra", "name": "L1", "probability": 0.9}],
    "column": {"ambiguous": False, "anomalies": []},
    "warnings": [],
}


def listed(folder: Path) -> dict[str, str]:
    """Picture → vertebrae, as the summary has them."""
    table = csv.DictReader((folder / "summary.csv").read_text().splitlines())
    return {cells["preview"]: cells["vertebrae"] for cells in table}


def test_a_scan_in_a_folder_that_bears_the_name_of_another_keeps_its_own_row(
    tmp_path: Path,
) -> None:
    out = tmp_path / "z" / "r"
    (out / "p1").mkdir(parents=True)
    previews = ("z/r/T2.png", "z/r/p1/T2.png")
    for name in previews:
        (tmp_path / name).touch()
    rows = [Outcome(name[4:], "done", preview=name).to_dict() for name in previews]
    write(out, rows)

    assert refresh_row(out / "T2.png", REPORT) == out / "summary.csv"
    assert listed(out) == {previews[0]: "L1", previews[1]: ""}

    (out / "p1" / "T2.png").unlink()
    merged = merge_rows(out, [row("other.nii")])
    assert [cells["input"] for cells in merged] == ["T2.png", "other.nii"]


def test_one_picture_has_one_row_wherever_runs_are_started(tmp_path: Path) -> None:
    out = tmp_path / "set" / "derivatives"
    (out / "sub-01").mkdir(parents=True)
    (out / "sub-01" / "T2.png").touch()
    paths = ("set/derivatives/sub-01/T2.png", "derivatives/sub-01/T2.png")
    rows = [
        Outcome(name, "done", preview=path).to_dict()
        for name, path in zip(("sub-01/T2.nii", "T2.nii"), paths, strict=True)
    ]
    write(out, rows[:1])

    assert [cells["input"] for cells in merge_rows(out, rows[1:])] == ["T2.nii"]

    write(out, rows)
    assert refresh_row(out / "sub-01" / "T2.png", REPORT) == out / "summary.csv"
    assert listed(out) == dict.fromkeys(paths, "L1")


def test_rows_of_a_folder_that_was_renamed_are_still_known(tmp_path: Path) -> None:
    out = tmp_path / "renamed"
    (out / "p1").mkdir(parents=True)
    (out / "p1" / "T2.png").touch()
    write(out, [Outcome("p1/T2.nii", "done", preview="before/p1/T2.png").to_dict()])

    assert refresh_row(out / "p1" / "T2.png", REPORT) == out / "summary.csv"
    assert listed(out) == {"before/p1/T2.png": "L1"}

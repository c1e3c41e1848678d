"""What a row says of a report."""

import csv
import io
import json
import os
from pathlib import Path

import pytest

from spinekit.apps.batch import write_summary
from spinekit.apps.job import Job, Outcome
from spinekit.apps.summary import describe_report, merge_rows, place_in, refresh_row, write_rows
from spinekit.layouts.wanted import Wanted
from spinekit.options import SegmentOptions


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


@pytest.mark.parametrize(
    ("names", "ambiguous", "unsure"),
    [
        ([], False, True),
        (["vertebra_1", "sacrum"], False, True),
        (["sacrum"], False, True),
        (["L1", "vertebra_1"], False, False),
        (["L1"], True, True),
    ],
)
def test_a_scan_in_which_no_vertebra_bears_a_name_is_one_to_look_at(
    names: list[str], ambiguous: bool, unsure: bool
) -> None:
    parts = {name: name if name == "sacrum" else "vertebra" for name in names}
    rows = [{"part": part, "name": name, "probability": None} for name, part in parts.items()]
    column = {"ambiguous": ambiguous, "anomalies": []}

    assert describe_report({**REPORT, "structures": rows, "column": column})["ambiguous"] is unsure


def test_texts_are_parted_otherwise_than_words_and_warnings_have_their_codes(
    tmp_path: Path,
) -> None:
    warnings = [{"code": code, "text": f"this is {code}"} for code in ("sheared", "not-mri")]
    told = describe_report({**REPORT, "warnings": warnings})

    write_rows(tmp_path / "summary.csv", told, [told])

    (cells,) = csv.DictReader((tmp_path / "summary.csv").read_text().splitlines())
    assert cells["warnings"] == "this is sheared | this is not-mri"
    assert cells["warning_codes"] == "sheared not-mri"


def row(name: str, status: str = "done", **more: object) -> dict:
    stem = str(Path(name).with_suffix(""))
    preview = "" if status == "failed" else f"{stem}.png"
    told = Outcome(name, status, preview=preview, **more).to_dict()
    return {**told, "report": place_in(Path(), f"{stem}.json")}


def write(folder: Path, rows: list[dict]) -> None:
    write_rows(folder / "summary.csv", rows[0], rows)


def sum_up(folder: Path, *outcomes: Outcome, quiet: bool = False) -> None:
    """Write the summary of scans that are laid out as the command line does it."""
    jobs = [
        Job(
            source=Path(outcome.input),
            shown=outcome.input,
            wanted=Wanted(Path(outcome.input), Path(outcome.input).stem, folder),
            layout="spinekit",
            options=SegmentOptions(),
            overwrite=False,
            debug=False,
            alone=False,
        )
        for outcome in outcomes
    ]
    write_summary(folder, outcomes, jobs, quiet=quiet)


def test_rows_of_earlier_runs_stay_while_they_are_true(tmp_path: Path) -> None:
    (tmp_path / "a.json").touch()
    (tmp_path / "c.json").touch()
    old = [row("a.nii", seconds=3.5), row("b.nii"), row("bad.nii", "failed", code="empty-file")]
    write(tmp_path, [*old, row("c.mha", seconds=2.0), row("again.nii", "failed")])

    merged, replaced = merge_rows(tmp_path, [row("c.nii"), row("again.nii")])

    # b's result is gone, c's is now another scan's.
    assert replaced == {"c.mha", "again.nii"}
    assert [cells["input"] for cells in merged] == ["a.nii", "bad.nii", "c.nii", "again.nii"]
    assert [cells["status"] for cells in merged] == ["done", "failed", "done", "done"]
    assert [cells["seconds"] for cells in merged[:1]] == ["3.5"]
    write(tmp_path, merged)
    assert [cells["input"] for cells in merge_rows(tmp_path, [row("d.nii")])[0]] == [
        "a.nii",
        "bad.nii",
        "c.nii",
        "d.nii",
    ]


def test_results_of_one_scan_in_two_places_have_a_row_each(tmp_path: Path) -> None:
    for name in ("a.json", "a_res-1mm.json"):
        (tmp_path / name).touch()
    fine = {"input": "a.nii", "report": "a_res-1mm.json"}
    write(tmp_path, [row("a.nii", seconds=1.0), row("a_res-1mm", seconds=2.0) | fine])

    merged, _ = merge_rows(tmp_path, [row("a_res-1mm", "skipped", seconds=0.1) | fine])

    assert [(cells["report"], float(cells["seconds"])) for cells in merged] == [
        ("a.json", 1.0),
        ("a_res-1mm.json", 2.0),
    ]
    write(tmp_path, merged)
    failed = row("a_res-1mm", "failed", code="file-damaged") | fine
    merged, _ = merge_rows(tmp_path, [failed])
    assert [cells["status"] for cells in merged] == ["done", "failed"]


def test_a_scan_is_known_by_its_result_whatever_it_is_called(tmp_path: Path) -> None:
    for name in ("T2_dseg.json", "T1_dseg.json"):
        (tmp_path / name).touch()
    sum_up(
        tmp_path,
        Outcome("p1/T2.nii", "failed", code="file-damaged", message="cut off"),
        Outcome("p1/T1.nii", "done", seconds=7.5, preview=str(tmp_path / "T1_preview.png")),
    )

    sum_up(tmp_path, Outcome("data/p1/T2.nii", "done"), Outcome("T1.nii", "skipped", seconds=0.1))

    assert json.loads((tmp_path / "failures.json").read_text()) == []
    table = csv.DictReader((tmp_path / "summary.csv").read_text().splitlines())
    assert [(cells["input"], cells["status"], cells["seconds"]) for cells in table] == [
        ("data/p1/T2.nii", "done", "0.0"),
        ("T1.nii", "skipped", "7.5"),
    ]


def test_a_folder_that_failed_as_one_scan_and_is_done_as_several_is_no_failure(
    tmp_path: Path,
) -> None:
    before = [row("all", "failed", code="several-series"), row("al", "failed"), row("alls")]
    write(tmp_path, before)
    (tmp_path / "alls.json").touch()

    merged, _ = merge_rows(tmp_path, [row("all/T1"), row("all/T2")])

    assert [r["input"] for r in merged] == ["al", "alls", "all/T1", "all/T2"]


def test_what_was_done_before_keeps_its_seconds(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.nii")
    write(tmp_path, [row(name, seconds=3.5), row("b.nii", seconds=1.0)])

    again = row("b.nii", seconds=9.0)
    merged, _ = merge_rows(tmp_path, [row(name, "skipped", seconds=3.1), again])

    assert [float(cells["seconds"]) for cells in merged] == [3.5, 9.0]


FOREIGN = [b"a,b\n1,2\n", b"\xff\xfe", b"input,preview\n1,2,3,4\n", b"input;status;reader\n"]


@pytest.mark.parametrize("content", FOREIGN)
def test_another_programs_table_is_kept_under_another_name_and_that_is_said(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "summary.csv").write_bytes(content)
    (tmp_path / "summary.csv.before").write_bytes(b"older")

    for name in ("a.nii", "b.nii"):
        (tmp_path / f"{name[0]}_dseg.json").touch()
        sum_up(tmp_path, Outcome(name, "done"))

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

    sum_up(tmp_path, Outcome("a.nii", "failed", code="x", message="y"), quiet=True)

    assert (tmp_path / "failures.json.before").read_bytes() == content
    told = json.loads((tmp_path / "failures.json").read_text())
    assert told == [{"input": "a.nii", "code": "x", "message": "y"}]


def test_an_empty_file_is_nothing_to_keep(tmp_path: Path) -> None:
    for name in ("summary.csv", "failures.json"):
        (tmp_path / name).touch()

    sum_up(tmp_path, Outcome("a.nii", "failed", code="x", message="y"))

    assert sorted(path.name for path in tmp_path.iterdir()) == ["failures.json", "summary.csv"]


@pytest.mark.parametrize("parting", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_summary_that_a_spreadsheet_has_saved_loses_no_row(
    tmp_path: Path, parting: str, mark: str
) -> None:
    (tmp_path / "ä.json").touch()
    write(tmp_path, [row("ä.nii", seconds=3.5, warnings=("one; two,\tthree",))])
    columns, cells = csv.reader((tmp_path / "summary.csv").read_text(encoding="utf-8").splitlines())
    text = io.StringIO(mark, newline="")
    text.seek(0, 2)
    csv.writer(text, delimiter=parting).writerows([columns, cells])
    (tmp_path / "summary.csv").write_text(text.getvalue(), encoding="utf-8", newline="")

    sum_up(tmp_path, Outcome("b.nii", "failed", code="x", message="y"))

    assert not list(tmp_path.glob("*.before"))
    table = csv.DictReader((tmp_path / "summary.csv").read_text(encoding="utf-8").splitlines())
    first, second = table
    assert (first["input"], first["warnings"]) == ("ä.nii", "one; two,\tthree")
    assert second["input"] == "b.nii"
    assert refresh_row(tmp_path / "ä.png", REPORT) == tmp_path / "summary.csv"


@pytest.mark.parametrize("begin", ["", "sep=;\r\n"])
def test_a_summary_in_a_spreadsheets_code_page_is_one_of_ours(tmp_path: Path, begin: str) -> None:
    (tmp_path / "a.json").touch()
    write(tmp_path, [row("a.nii", seconds=3.5, warnings=("für alle",))])
    text = (tmp_path / "summary.csv").read_text(encoding="utf-8").replace(",", ";")
    (tmp_path / "summary.csv").write_bytes((begin + text).encode("cp1252"))

    sum_up(tmp_path, Outcome("b.nii", "failed", code="x", message="y"))

    assert not list(tmp_path.glob("*.before"))
    table = csv.DictReader((tmp_path / "summary.csv").read_text(encoding="utf-8").splitlines())
    assert [(cells["input"], cells["warnings"]) for cells in table] == [
        ("a.nii", "für alle"),
        ("b.nii", ""),
    ]


def test_a_scan_that_a_result_kept_out_does_not_take_its_row(tmp_path: Path) -> None:
    (tmp_path / "a.json").touch()
    write(tmp_path, [row("a.nii", seconds=3.5), row("b.nii", seconds=2.0)])
    kept_out = [row(name, "failed", code="other-scan") for name in ("a.nii", "b.nii")]

    merged, _ = merge_rows(tmp_path, kept_out)

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


def test_of_two_pictures_of_one_name_each_has_its_own_row_in_a_folder_that_moved(
    tmp_path: Path,
) -> None:
    out = tmp_path / "before"
    (out / "p1").mkdir(parents=True)
    for name in ("T2.json", "p1/T2.json"):
        (out / name).touch()
    write(out, [row("T2.nii"), row("p1/T2.nii")])
    out = out.rename(tmp_path / "moved")

    assert refresh_row(out / "T2.png", REPORT) == out / "summary.csv"

    table = csv.DictReader((out / "summary.csv").read_text().splitlines())
    assert {cells["preview"]: cells["vertebrae"] for cells in table} == {
        "T2.png": "L1",
        "p1/T2.png": "",
    }
    (out / "p1" / "T2.json").unlink()
    merged, _ = merge_rows(out, [row("other.nii")])
    assert [cells["input"] for cells in merged] == ["T2.nii", "other.nii"]


@pytest.mark.parametrize("given", ["out", "set/out"])
def test_pictures_are_told_from_the_folder_of_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.chdir(tmp_path)

    sum_up(Path(given), Outcome("a", "done", preview=f"{given}/sub/a_preview.png"))

    (cells,) = csv.DictReader((tmp_path / given / "summary.csv").read_text().splitlines())
    assert (cells["preview"], cells["report"]) == ("sub/a_preview.png", "a_dseg.json")

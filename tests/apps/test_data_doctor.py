"""`spinekit data doctor` as its user runs it."""

import json
from pathlib import Path

import numpy as np
import pytest

from curation.doctor import plants
from spinekit.apps.cli import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "set"
    plants.write_case(root, "good", seed=1)
    plants.write_case(root, "swapped", labels=plants.swap(plants.spine().labels), seed=2)
    broken = plants.write_case(root, "broken", seed=3)
    broken.image.write_bytes(b"no image at all")
    return root


def run(folder: Path, out: Path, *more: str) -> int:
    return main(
        ["data", "doctor", str(folder), "--out", str(out), "--set", "values=spinekit", *more]
    )


def test_a_page_and_a_json_are_written_and_a_broken_case_stops_nothing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(folder.rglob("*"))
    assert run(folder, tmp_path / "out", "--no-model") == 0

    content = json.loads((tmp_path / "out" / "doctor.json").read_text(encoding="utf-8"))
    found = {(f["case"], f["code"]) for f in content["findings"] if f["severity"] == "error"}
    twins = {("good", "duplicate-mask"), ("broken", "duplicate-mask")}
    assert found == {("swapped", "order-wrong"), ("broken", "image-unreadable")} | twins
    page = (tmp_path / "out" / "doctor.html").read_text(encoding="utf-8")
    assert "data:image/png;base64," in page
    assert "http" not in page
    assert "order-wrong" in capsys.readouterr().out
    assert sorted(folder.rglob("*")) == before


def test_strict_makes_errors_a_failure(folder: Path, tmp_path: Path) -> None:
    assert run(folder, tmp_path / "out", "--no-model", "--no-pictures", "--quiet", "--strict") == 1


def test_several_cases_at_a_time_find_the_same(folder: Path, tmp_path: Path) -> None:
    for jobs in ("1", "2"):
        run(folder, tmp_path / jobs, "--no-model", "--no-pictures", "--quiet", "--jobs", jobs)
    one, two = ((tmp_path / n / "doctor.json").read_text(encoding="utf-8") for n in "12")

    assert one == two


def test_the_report_never_lands_in_the_set(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, folder / "report") == 2
    assert "lies in it; choose another folder with --out" in capsys.readouterr().err
    assert not (folder / "report").exists()


def test_names_in_a_page_are_text(tmp_path: Path) -> None:
    from spinekit.curation.doctor.examination import ExamineOptions
    from spinekit.curation.doctor.page import render_page
    from spinekit.curation.doctor.rounds import diagnose

    case = plants.write_case(tmp_path, "one", labels=np.zeros((3, 3, 3), np.uint8))
    page = render_page(
        diagnose([case], ExamineOptions(image_axes=False)), source="<script>x", dataset="a&b"
    )

    assert "<script>x" not in page
    assert "a&amp;b" in page

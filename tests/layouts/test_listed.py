"""Which files of a result are there, its own, and as they were written."""

import json
from pathlib import Path

import numpy as np
import pytest

from results import a_report
from spinekit.core.grid import Grid
from spinekit.io.reports import StoredReport
from spinekit.io.voxels import hash_voxels
from spinekit.io.writing import write_labels
from spinekit.layouts.listed import find_changed, find_kinds, find_listed
from spinekit.layouts.registry import LAYOUTS
from spinekit.layouts.wanted import Place, Wanted

GRID = Grid((2, 2, 2), np.eye(4))
SCAN = Path("raw/sub-01/anat/sub-01_T2w.nii.gz")


def lay(folder: Path, **sections: object) -> tuple[Place, StoredReport]:
    """Labels, parts and report of a result, the parts of which another program has changed."""
    files = {"json": "a_dseg.json", "dseg": "a_dseg.nii", "parts": "a_parts.nii", "tsv": "a.tsv"}
    for value, kind in enumerate(("dseg", "parts"), start=1):
        write_labels(folder / files[kind], np.full((2, 2, 2), value, np.uint8), GRID)
    ones = hash_voxels(np.ones((2, 2, 2), np.uint8))
    told = a_report(
        files=["a_dseg.json", "a_dseg.nii", "a_parts.nii", "gone.nii"],
        voxels_sha256={"dseg": ones, "parts": ones, "levels": ones},
    )
    (folder / files["json"]).write_text(json.dumps({**told, **sections}))
    report = StoredReport.read(folder / files["json"])
    return Place(folder, files, "dseg", "dseg", "undo.zip"), report


def test_a_file_is_of_a_result_where_it_is_there_and_listed(tmp_path: Path) -> None:
    place, report = lay(tmp_path)
    (tmp_path / "a.tsv").write_text("another's")

    assert list(find_listed(place, report)) == ["json", "dseg", "parts"]
    assert find_kinds(place) == {"json", "dseg", "parts"}


@pytest.mark.parametrize("files", [[], ["b_dseg.json", "b_dseg.nii"]])
def test_without_a_list_of_its_own_what_is_there_counts(tmp_path: Path, files: list[str]) -> None:
    place, _ = lay(tmp_path, files=files)
    (tmp_path / "a.tsv").write_text("index")

    assert find_kinds(place) == {"json", "dseg", "parts", "tsv"}
    (tmp_path / "a_dseg.json").write_text("{}")
    assert find_kinds(place) == {"json", "dseg", "parts", "tsv"}


def test_a_volume_is_changed_where_it_holds_something_else(tmp_path: Path) -> None:
    place, report = lay(tmp_path)
    assert find_changed([place, place], report) == [tmp_path / "a_parts.nii"]

    (tmp_path / "a_dseg.nii").write_bytes(b"no volume")
    assert find_changed([place], report) == [tmp_path / "a_dseg.nii", tmp_path / "a_parts.nii"]

    (tmp_path / "a_parts.nii").unlink()
    assert find_changed([place], report) == [tmp_path / "a_dseg.nii"]


@pytest.mark.parametrize("sections", [{"files": []}, {"voxels_sha256": {}}])
def test_what_the_report_does_not_know_is_not_changed(tmp_path: Path, sections: dict) -> None:
    place, report = lay(tmp_path, **sections)

    assert find_changed([place], report) == []


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("iso", [False, True])
def test_all_places_of_a_result_share_report_and_archive(layout: str, iso: bool) -> None:
    wanted = Wanted(SCAN, "sub-01_T2w", Path("out"), iso=iso)
    places = [LAYOUTS[layout].plan(wanted), *LAYOUTS[layout].reach(wanted)]

    assert len({place.path("json") for place in places}) == 1
    assert len({place.undo for place in places}) == 1

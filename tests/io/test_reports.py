"""A report read back: ours or another's, whole or damaged, and what it says."""

import json
from pathlib import Path

import pytest

from results import a_report
from spinekit.core.errors import InputError
from spinekit.io.reports import StoredReport, is_report

ROW = {
    "name": "L4", "value": 44, "part": "vertebra", "probability": 0.9,
    "centroid_ras_mm": [0.0, 1.0, 2.0], "touches_edge": False,
}  # fmt: skip


def parse(content: object) -> StoredReport | None:
    return StoredReport.parse(json.dumps(content).encode())


def test_what_a_report_says_is_read_and_all_of_it_kept() -> None:
    told = a_report(
        input={"sha256": "aa"},
        model={"sha256": "bb"},
        seconds={"read": 1.5, "write": 0.5},
        structures=[ROW],
        warnings=[{"code": "no-spine", "text": "none"}],
        provenance=[{"action": "relabel", "words": []}],
        files=["a_dseg.json", "a_dseg.nii.gz"],
        voxels_sha256={"dseg": "cc"},
        Sources=["bids:raw:a"],
    )

    found = parse(told)

    assert found is not None
    assert (found.input_sha256, found.model_sha256, found.seconds) == ("aa", "bb", 2.0)
    assert found.structures == [ROW]
    assert found.files == {"a_dseg.json", "a_dseg.nii.gz"}
    assert found.voxels_sha256 == {"dseg": "cc"}
    assert found.whole == told


@pytest.mark.parametrize("content", [{}, [], 3, "spinekit_version", {"SpatialReference": "orig"}])
def test_json_of_others_is_no_report(tmp_path: Path, content: object) -> None:
    path = tmp_path / "a_dseg.json"
    path.write_text(json.dumps(content))

    assert parse(content) is None
    assert StoredReport.find(path) is None
    with pytest.raises(InputError, match="no report of this program") as caught:
        StoredReport.read(path)
    assert caught.value.code == "report-damaged"


@pytest.mark.parametrize(
    "damage",
    [
        *(
            {key: wrong}
            for key in list(a_report())[1:]
            for wrong in (None, 3, "text", [3])
            if key != "files"
        ),
        {"input": {}},
        *({"structures": [{k: v for k, v in ROW.items() if k != key}]} for key in ROW),
        {"warnings": [{"code": "no-spine"}]},
        {"provenance": [{"action": "relabel"}]},
        {"files": None},
        {"files": 3},
        {"voxels_sha256": ["cc"]},
    ],
    ids=str,
)
def test_a_report_that_lacks_what_is_read_of_it_is_damaged(damage: dict) -> None:
    with pytest.raises(ValueError, match="incomplete"):
        parse(a_report(**damage))


@pytest.mark.parametrize("key", list(a_report())[1:])
def test_a_report_without_a_key_that_is_read_is_damaged(key: str) -> None:
    told = a_report()
    del told[key]
    with pytest.raises(ValueError, match=f"incomplete: '{key}'"):
        parse(told)


@pytest.mark.parametrize("content", [b"", b'{"spinekit_version": "0.1.0", "inp', b"\xff\xfe\0"])
def test_a_file_that_is_cut_off_is_damaged(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a_dseg.json"
    path.write_bytes(content)

    with pytest.raises(ValueError):  # noqa: PT011
        StoredReport.parse(content)
    assert StoredReport.find(path) is None
    with pytest.raises(InputError, match=r"a_dseg.json: no report of this program"):
        StoredReport.read(path)


def test_a_report_that_is_not_there_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "a_dseg.json"

    assert StoredReport.find(path) is None
    assert not is_report(path)
    with pytest.raises(InputError, match=r"a_dseg.json: cannot be read") as caught:
        StoredReport.read(path)
    assert caught.value.code == "report-missing"


@pytest.mark.parametrize(("start", "expected"), [("", True), (" " * 300, False)])
def test_a_report_is_known_by_its_beginning(tmp_path: Path, start: str, expected: bool) -> None:
    path = tmp_path / "a_dseg.json"
    path.write_text(start + json.dumps(a_report()))

    assert is_report(path) is expected

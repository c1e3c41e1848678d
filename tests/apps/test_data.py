"""`spinekit data list | show | get | gradings` as a person runs them."""

import csv
import json
from pathlib import Path

import pytest

from dataset_layouts import LAYOUTS, mask, mha
from results import a_report
from spinekit.apps.cli import main
from spinekit.datasets import listing
from spinekit.datasets.registry import DATASETS
from spinekit.io import transfer
from web import served


def test_list_names_every_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list"]) == 0
    text = capsys.readouterr().out
    assert [name for name in DATASETS if name not in text] == []

    assert main(["data", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["name"] for row in rows} == set(DATASETS)


@pytest.mark.parametrize("name", DATASETS)
def test_show_prints_the_card(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "show", name]) == 0
    text = capsys.readouterr().out

    entry = DATASETS[name]
    assert entry.citation in text
    assert entry.licence in text
    told = text.partition("settings (--set KEY=VALUE)\n")[2].splitlines()
    assert [line.split()[0] for line in told] == list(entry.settings)


def test_show_counts_what_lies_in_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    LAYOUTS["spider"][0](tmp_path)

    assert main(["data", "show", "auto", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "spider: 4 images of 2 subjects" in text
    assert "T2w 2" in text
    assert "4 images with 1" in text

    assert main(["data", "show", "spider", str(tmp_path), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[0]["masks"][0]["values"]["201"] == "L5-S1"
    assert "1960" not in json.dumps(rows)


def test_show_takes_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    LAYOUTS["folder"][0](tmp_path)
    folder = ["data", "show", "folder", str(tmp_path)]

    assert main(folder) == 0
    assert "values of 2 masks are not known" in capsys.readouterr().out
    assert main([*folder, "--set", 'values={41 = "L1"}', "--set", "contrast=STIR"]) == 0
    assert "STIR 2" in capsys.readouterr().out
    assert main([*folder, "--set", "valeus=spider"]) == 1
    assert "did you mean 'values'" in capsys.readouterr().err
    assert main([*folder, "--set", "contrast"]) == 1
    assert "not KEY=VALUE" in capsys.readouterr().err


def test_show_says_what_it_cannot_guess(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in (
        (["auto", str(tmp_path)], ": no known layout; name one of `spinekit data list`"),
        (["auto"], "`auto` guesses by a folder; add FOLDER"),
        (["nothing"], "no dataset or layout is called 'nothing'"),
        (["chu", str(tmp_path)], ": no case of chu in this folder"),
    ):
        assert main(["data", "show", *words]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert said in line


def test_get_downloads_and_says_how_to_cite(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    LAYOUTS["chu"][0](tmp_path / "set")
    with served() as site:
        monkeypatch.setattr(listing, "ZENODO", site.url + "/{record}")
        files = [
            {
                "key": path.name,
                "size": path.stat().st_size,
                "links": {"self": site.put(f"/f/{path.name}", path.read_bytes())},
            }
            for path in (tmp_path / "set").iterdir()
        ]
        site.put("/22304", json.dumps({"files": files}))

        assert main(["data", "get", "chu", str(tmp_path / "out")]) == 0
        text = capsys.readouterr().out
        assert "chu: 4 files, 2 images" in text
        assert "10.1371/journal.pone.0143327" in text
        site.pages.clear()
        assert main(["data", "get", "chu", str(tmp_path / "other")]) == 1
        assert "not at 127.0.0.1" in capsys.readouterr().err


def test_an_interrupted_download_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    LAYOUTS["chu"][0](tmp_path / "set")
    path = next((tmp_path / "set").iterdir())
    with served() as site:
        monkeypatch.setattr(listing, "ZENODO", site.url + "/{record}")
        link = {"self": site.put("/f", path.read_bytes())}
        item = {"key": path.name, "size": path.stat().st_size, "links": link}
        site.put("/22304", json.dumps({"files": [item]}))
        site.break_after = [10**6, 100]

        def interrupt(_: float) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(transfer.time, "sleep", interrupt)
            assert main(["data", "get", "chu", str(tmp_path / "out")]) == 130
        assert "goes on where it stopped" in capsys.readouterr().err
        assert main(["data", "get", "chu", str(tmp_path / "out")]) == 0
        assert site.asked[-1] == ("/f", "bytes=100-")
    assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


def test_get_says_what_to_do_for_a_set_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    LAYOUTS["mrspineseg"][0](tmp_path / "got")

    assert main(["data", "get", "mrspineseg", str(tmp_path / "out")]) == 2
    assert "sign the licence agreement" in capsys.readouterr().err
    got = ["--from", str(tmp_path / "got")]
    assert main(["data", "get", "mrspineseg", str(tmp_path / "out"), *got]) == 0
    assert "2 images" in capsys.readouterr().out


def test_get_into_a_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()

    assert main(["data", "get", "chu", str(tmp_path / "file")]) == 2
    assert "is a file" in capsys.readouterr().err


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text("utf-8").splitlines()))


def test_gradings_become_a_table_by_discs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    LAYOUTS["spider"][0](tmp_path / "s")
    out = tmp_path / "g.csv"

    assert main(["data", "gradings", str(tmp_path / "s"), str(out)]) == 0
    assert "3 rows of 2 patients" in capsys.readouterr().out
    first, second, _ = rows_of(out)
    assert (first["disc"], first["pfirrmann"], first["series"]) == ("L5-S1", "4", "1_t1 1_t2")
    assert (second["disc"], second["above"], second["modic"]) == ("L4-L5", "L4", "2")


def test_gradings_are_checked_against_masks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    LAYOUTS["spider"][0](tmp_path / "s")
    mha(tmp_path / "s" / "masks" / "1_t1.mha", mask(201, 1, 202, 2))
    mha(tmp_path / "s" / "masks" / "1_t2.mha", mask(2, 202, 1, 201))
    for name in ("2_t2", "2_t2_SPACE"):
        (tmp_path / "s" / "masks" / f"{name}.mha").write_bytes(b"no")

    assert main(["data", "gradings", str(tmp_path / "s"), str(tmp_path / "g.csv"), "--masks"]) == 0
    found = capsys.readouterr().err
    assert "1_t1" not in found
    assert "1_t2: disc 202 lies below disc 201" in found
    assert "2_t2:" in found
    assert "2_t2_SPACE:" in found


def test_gradings_are_joined_to_results(tmp_path: Path) -> None:
    LAYOUTS["spider"][0](tmp_path / "s")
    results = tmp_path / "results"
    results.mkdir()

    def disc(name: str, height: float, volume: float) -> dict:
        return {
            "name": name, "part": "disc", "centroid_ras_mm": [0, 0, height], "volume_mm3": volume,
            "probability": 0.9, "value": 1, "touches_edge": False,
        }  # fmt: skip

    six = a_report(structures=[disc("L5-L6", 30, 222.0), disc("L6-S1", 0, 111.0)])
    (results / "1_t1_dseg.json").write_text(json.dumps(six))
    unsure = a_report(structures=[disc("L4-L5", 10, 333.0)])
    (results / "1_t2_dseg.json").write_text(json.dumps(unsure))
    out = tmp_path / "g.csv"

    assert main(["data", "gradings", str(tmp_path / "s"), str(out), "--results", str(results)]) == 0
    found = {(row["series"], row["disc"]): row["volume_mm3"] for row in rows_of(out)}
    assert found == {
        ("1_t1", "L5-S1"): "111.0",
        ("1_t1", "L4-L5"): "222.0",
        ("1_t2", "L5-S1"): "",
        ("1_t2", "L4-L5"): "333.0",
        ("2_t2 2_t2_SPACE", "L5-S1"): "",
    }


def test_gradings_of_a_patient_without_a_result_stay(tmp_path: Path, capsys) -> None:
    LAYOUTS["spider"][0](tmp_path / "s")
    (tmp_path / "results").mkdir()
    words = ["data", "gradings", str(tmp_path / "s"), str(tmp_path / "g.csv")]
    assert main(words) == 0
    graded = [(row["patient"], row["disc"]) for row in rows_of(tmp_path / "g.csv")]

    assert main([*words, "--results", str(tmp_path / "results")]) == 0
    rows = rows_of(tmp_path / "g.csv")
    assert [(row["patient"], row["disc"]) for row in rows] == graded
    assert {row["volume_mm3"] for row in rows} == {""}

    assert main([*words, "--results", str(tmp_path / "nowhere")]) == 2
    assert "nowhere: no such folder" in capsys.readouterr().err


def test_a_disc_that_was_missed_moves_no_volume_to_another(tmp_path: Path) -> None:
    LAYOUTS["spider"][0](tmp_path / "s")
    results = tmp_path / "results"
    results.mkdir()
    rows = [
        {
            "name": name, "part": "disc", "centroid_ras_mm": [0, 0, height], "volume_mm3": volume,
            "probability": 0.9, "value": 1, "touches_edge": False,
        }
        for name, height, volume in (("L5-S1", 0, 111.0), ("L3-L4", 70, 333.0))
    ]  # fmt: skip
    (results / "1_t1_dseg.json").write_text(json.dumps(a_report(structures=rows)))
    out = tmp_path / "g.csv"

    assert main(["data", "gradings", str(tmp_path / "s"), str(out), "--results", str(results)]) == 0
    found = {row["disc"]: row["volume_mm3"] for row in rows_of(out) if row["series"] == "1_t1"}
    assert found == {"L5-S1": "111.0", "L4-L5": ""}

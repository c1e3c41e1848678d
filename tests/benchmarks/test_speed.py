"""Every case of the speed table is measured by its own runs."""

import json
from pathlib import Path

import pytest

import speed


@pytest.fixture
def fake(monkeypatch):
    """`spinekit segment` and the measurements without the work: a step's time tells its scan."""
    seconds = {case.fov: 10.0 + n for n, case in enumerate(speed.CASES)}

    def run(scan: Path, out: Path, model, cores) -> speed.Run:
        out.mkdir(parents=True)  # a folder that another run has used would be an error
        return speed.Run(2 * seconds[scan.name], 100.0, {"predict": seconds[scan.name]})

    answers = {speed.MATRICES: "100.0", speed.MACS: '{"gmac": 75, "working": [1, 2, 3]}'}
    monkeypatch.setattr(speed, "ask", lambda code, *rest, cores: answers.get(code, ""))
    monkeypatch.setattr(speed, "find_scan", lambda case, folder: folder / case.fov)
    monkeypatch.setattr(speed, "segment", run)
    monkeypatch.setattr(speed, "keep_to", lambda cores: cores)
    return seconds


def test_cases_share_no_folder(fake, tmp_path, capsys):
    assert speed.main(["--repeats", "2", "--json", str(tmp_path / "speed.json")]) == 1
    figures = json.loads((tmp_path / "speed.json").read_text())["cases"]
    assert [case["steps"]["predict"] for case in figures] == list(fake.values())
    assert [case["seconds"] for case in figures] == [2 * value for value in fake.values()]
    assert "whole spine 1 mm" in capsys.readouterr().out


def test_network_share(fake, tmp_path):
    speed.main(["--repeats", "1", "--json", str(tmp_path / "speed.json")])
    lumbar = json.loads((tmp_path / "speed.json").read_text())["cases"][0]
    assert lumbar["network_gflops"] == pytest.approx(2 * 75 / 10.0)
    assert lumbar["network_share_pct"] == pytest.approx(15.0)


def test_limits_decide_the_exit_status(fake, tmp_path, monkeypatch):
    monkeypatch.setattr(speed, "CASES", speed.CASES[1:])
    assert speed.main(["--repeats", "1"]) == 0  # 22 s of 40


def test_the_limits_are_what_the_model_card_aims_at():
    card = (Path(__file__).parents[2] / "MODEL_CARD.md").read_text(encoding="utf-8")
    lumbar = speed.CASES[0]
    aim = f"(at most {lumbar.most_seconds:g} s and {lumbar.most_mib / 1000:g} GB aimed at)"
    assert aim in card

"""The gallery finds the scans that fall farthest behind, and keeps real scans out of the house."""

import numpy as np
import pytest

import gallery
from spinekit.evaluation.scoring import CaseScores, InstanceScore, MaskScore
from tables import write_scores


def case(name, dataset, dice, *, predicted="L4", mask=None):
    body = InstanceScore(
        "body", "L4", 9000.0, False, predicted, dice, dice, 1.0, 2.0, split=False, merged=False
    )
    masks = () if mask is None else (MaskScore("canal", mask, 1.0, 2.0),)
    return CaseScores(name, dataset, name, (body,), masks)


ROWS = {
    "h1": [case("easy1", "easy", 0.9), case("easy2", "easy", 0.6, predicted="L5")],
    "h2": [case("hard1", "hard", 0.5), case("hard2", "hard", 0.5), case("hard3", "hard", 0.45)],
}


def test_worst_is_measured_against_its_own_set():
    worst = gallery.find_worst(ROWS, 2)
    assert [(found.row, found.scores.name) for found in worst] == [("h1", "easy2"), ("h2", "hard3")]
    assert worst[0].share == pytest.approx(0.6 / 0.75)


def test_masks_count_as_much_as_instances():
    assert gallery.mean_dice(case("a", "b", 0.9, mask=0.7)) == pytest.approx(0.8)


def test_table_tells_what_went_wrong():
    lines = gallery.tabulate(gallery.find_worst(ROWS, 1))
    assert lines[-1] == "| h1 | `easy2` | 0.600 | 0.80 | L4 0.60 |  | L4 as L5 |  |"
    missed = gallery.find_worst({"h2": [case("hard4", "hard", 0.0, predicted="")]}, 1)
    assert gallery.tabulate(missed)[-1] == "| h2 | `hard4` | 0.000 | 0.00 | L4 0.00 | L4 |  |  |"


def test_no_picture_inside_the_repository(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gallery, "RESULTS", tmp_path)
    write_scores(tmp_path / "h1.csv", ROWS["h1"], {})
    inside = gallery.ROOT / "docs" / "worst.png"
    assert gallery.main(["--rows", "h1", "--picture", str(inside)]) == 2
    assert "outside the repository" in capsys.readouterr().err


def test_slices_shown():
    reference = np.zeros((3, 4, 4), int)
    reference[1] = 44
    reference[2, :2] = 44
    labels = reference.copy()
    labels[2] = 45
    assert gallery.choose_slices(reference, labels) == (1, 2)

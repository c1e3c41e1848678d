"""What the model card says the embedded model was trained on, and what its file says."""

import re
from pathlib import Path

from spinekit.prediction.runner import load_model

CARD = (Path(__file__).parents[2] / "MODEL_CARD.md").read_text(encoding="utf-8")
SETS = ("phantom", "spider", "myosegmentum", "chu", "ivd", "errsm")
"""As the card lists them."""


def test_the_card_counts_the_scans_that_the_file_counts() -> None:
    facts = load_model().spec.facts
    rows = re.findall(r"^\| ([^|]+) \| (\d+) \|", CARD, re.MULTILINE)
    assert len(rows) >= len(SETS)

    for name, (text, count) in zip(SETS, rows, strict=False):
        assert name in text.lower()
        assert int(count) == facts["found"][name]


def test_the_card_counts_the_scans_that_the_weights_learned_from() -> None:
    trained = load_model().spec.facts["trained_on"]
    said = re.search(r"leaves (\d+) phantoms and (\d+), (\d+), (\d+), (\d+) and (\d+) scans", CARD)

    assert said is not None
    assert [int(number) for number in said.groups()] == [trained[name] for name in SETS]

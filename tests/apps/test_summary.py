"""What a row says of a report."""

from pathlib import Path

from spinekit.apps.summary import describe_report, refresh_row


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

"""What a row says of a report."""

from spinekit.apps.summary import describe_report


def test_only_likely_anomalies_are_told() -> None:
    anomalies = [
        {"name": "L6", "probability": 0.14, "text": "six lumbar vertebrae: 14%"},
        {"name": "T13", "probability": 0.69, "text": "thirteen thoracic vertebrae: 69%"},
    ]
    column = {"ambiguous": False, "anomalies": anomalies}
    row = describe_report({"structures": [], "column": column, "warnings": []})
    assert row["anomalies"] == ("thirteen thoracic vertebrae: 69%",)
    assert row["probability"] is None

"""What every dataset of the registry promises."""

import json
from pathlib import Path

import numpy as np
import pytest

from dataset_layouts import LAYOUTS
from spinekit.curation.recipe import prepare_recipe
from spinekit.curation.run import prepare_set
from spinekit.datasets.meaning import is_known
from spinekit.datasets.registry import DATASETS, find_cases, recognise
from spinekit.datasets.sources import Form, Own
from spinekit.io.reading import read_labels, read_scan

PRIVATE = ("name", "birth", "date", "1960", "2019")
REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "datasets.md"


@pytest.mark.parametrize("name", DATASETS)
def test_a_set_says_who_made_it_and_on_what_terms(name: str) -> None:
    entry = DATASETS[name]

    assert entry.name == name
    assert entry.title
    assert entry.licence
    assert entry.labels
    assert "\n" in entry.layout
    assert entry.homepage.startswith(("http", "`spinekit"))
    if not isinstance(entry.source, Own):
        assert any(mark in entry.citation for mark in ("doi:10.", "Proc."))
    if isinstance(entry.source, Form):
        assert "http" in entry.source.how


@pytest.mark.parametrize("name", DATASETS)
def test_a_set_is_documented(name: str) -> None:
    page = REFERENCE.read_text(encoding="utf-8")

    assert f"`{name}`" in page
    assert DATASETS[name].homepage in page
    assert [key for key in DATASETS[name].settings if f"`{key}`" not in page] == []


@pytest.mark.parametrize("name", DATASETS)
def test_its_published_layout_loads(tmp_path: Path, name: str) -> None:
    build, settings, count, recognised = LAYOUTS[name]
    build(tmp_path)

    cases = find_cases(tmp_path, name, settings)

    assert len(cases) == count
    assert [case.name for case in cases] == sorted({case.name for case in cases})
    assert all(case.subject and case.dataset for case in cases)
    assert recognise(tmp_path) == (name if recognised else None)
    for case in cases:
        assert not any(word in f"{k}={v}" for k, v in case.facts.items() for word in PRIVATE)
        assert read_scan(case.image, series=case.series).volume.array.ndim == 3
        for mask in case.masks:
            assert [word for word in mask.values.values() if not is_known(word)] == []
            found = set(np.unique(read_labels(mask.path).array).tolist()) - {0}
            assert found
            assert found <= set(mask.values)


@pytest.mark.parametrize("name", DATASETS)
def test_its_published_layout_can_be_prepared(tmp_path: Path, name: str) -> None:
    """Every case comes through, and none that has masks comes out empty."""
    build, settings, count, _ = LAYOUTS[name]
    build(tmp_path / "in")
    source = {"root": str(tmp_path / "in"), "dataset": name, "settings": settings}

    report = prepare_set(prepare_recipe({"sources": [source]}), tmp_path / "out")

    assert report["failures"] == []
    assert report["counts"]["done"] == count
    records = [json.loads(path.read_text()) for path in (tmp_path / "out" / "cases").iterdir()]
    for record in records:
        marked = bool(record["outputs"][0]["structures"])
        assert marked == (len(record["inputs"]) > 1), record["name"]
        assert [row for row in record["losses"] if row["reason"] == "beyond-image"] == []


@pytest.mark.parametrize("name", DATASETS)
def test_nothing_is_found_in_an_empty_folder(tmp_path: Path, name: str) -> None:
    assert DATASETS[name].find(tmp_path, {}) == []
    assert recognise(tmp_path) is None

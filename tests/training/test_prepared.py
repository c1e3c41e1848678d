"""A user's own data, from `spinekit data prepare` to a model that goes on from another."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from curation.sets import recipe_table, write_set
from spinekit.core.errors import InputError, RecipeError
from spinekit.curation.recipe import prepare_recipe
from spinekit.curation.run import prepare_set
from spinekit.datasets.partial import BODY, DISC, POSTERIOR
from spinekit.datasets.prepared import open_prepared
from spinekit.loaders.pack import load_pack
from spinekit.prediction.runner import load_model
from spinekit.training.batches import split_cases
from spinekit.training.packing import pack_prepared
from spinekit.training.recipe import Recipe
from spinekit.training.run import train
from training.test_run import write_recipe


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """Four scans with names renumbered, one of them to validate."""
    table = recipe_table(write_set(tmp_path / "in"), labels=["L1-L5", "discs"], renumber=True)
    prepare_set(prepare_recipe(table | {"validation": 0.25}), tmp_path / "set")
    return tmp_path / "set"


def test_a_prepared_set_is_read_with_its_own_names_and_parts(prepared, tmp_path):
    name, path = pack_prepared(prepared, tmp_path / "packs")
    cases = load_pack(path)
    split = json.loads((prepared / "splits.json").read_text())
    assert {c.name: c.part for c in cases} == {
        **dict.fromkeys(split["train"], "train"),
        **dict.fromkeys(split["validation"], "validation"),
    }
    train_sets, valid_sets = split_cases({name: cases}, Recipe())
    assert [case.name for case in valid_sets[name]] == split["validation"]
    assert len(train_sets[name]) == len(split["train"])
    for case in cases:
        assert {DISC} <= set(np.unique(case.allowed))
        assert np.isin(
            case.allowed[case.level > 0], (BODY, BODY | POSTERIOR, POSTERIOR, DISC)
        ).all()


def test_the_pack_is_made_again_when_the_set_changes(prepared, tmp_path):
    _, first = pack_prepared(prepared, tmp_path / "packs")
    assert pack_prepared(prepared, tmp_path / "packs")[1] == first
    split = json.loads((prepared / "splits.json").read_text())
    split["train"] = split["train"][:1]
    (prepared / "splits.json").write_text(json.dumps(split))
    _, second = pack_prepared(prepared, tmp_path / "packs")
    assert second != first
    assert len(load_pack(second)) == 1 + len(split["validation"])


def test_training_on_a_prepared_set_goes_on_from_a_model(prepared, tmp_path, monkeypatch):
    monkeypatch.delenv("SPINEKIT_REAL_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    more = f"real = false\nsets = [{json.dumps(str(prepared))}]\n"
    work = tmp_path / "work"
    first = train(write_recipe(tmp_path, "one", more), work=work, device="cpu", report=str)
    (tmp_path / "one.onnx").write_bytes(first.read_bytes())
    path = write_recipe(tmp_path, "two", f'init = "one.onnx"\n{more}')
    facts = load_model(train(path, work=work, device="cpu", report=str), threads=1).spec.facts
    name = open_prepared(prepared).name
    assert facts["trained_on"] == {name: 3}
    assert facts["start"]["trained_on"] == {name: 3}


def test_two_sets_of_one_name_are_told_apart_before_training(prepared, tmp_path):
    twice = json.dumps([str(prepared)] * 2)
    path = write_recipe(tmp_path, "twice", f"real = false\nsets = {twice}\n")
    with pytest.raises(RecipeError, match="two sets are called"):
        train(path, work=tmp_path / "work", device="cpu", report=str)


@pytest.mark.parametrize("content", [None, "[]", "{"])
def test_a_folder_that_was_not_prepared_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / "labels.json").write_text(content)
    with pytest.raises(InputError, match="no set made by") as caught:
        open_prepared(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_missing_file_is_named(prepared):
    next((prepared / "labels").iterdir()).unlink()
    with pytest.raises(InputError, match="no such file"):
        open_prepared(prepared)

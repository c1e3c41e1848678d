"""Recipes: every committed one loads, mistakes are named."""

import dataclasses
import re
import tomllib
from pathlib import Path

import pytest

from spinekit.core.errors import RecipeError, UsageError
from spinekit.training.recipe import Recipe, change_recipe, read_recipe, recipe_from_dict

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_committed_recipes_load_under_their_own_name(path):
    assert read_recipe(path).name == path.stem


def test_unknown_key_names_the_nearest():
    with pytest.raises(RecipeError, match=r"'stepz'.*'steps'"):
        recipe_from_dict({"stepz": 3})


@pytest.mark.parametrize(
    ("table", "word"),
    [
        ({"steps": "many"}, "give a whole number"),
        ({"steps": True}, "give a whole number"),
        ({"name": "../x"}, "name"),
        ({"name": ""}, "name"),
        ({"name": " "}, "name must be a folder's"),
        ({"name": "a "}, "name must be a folder's"),
        ({"name": "a" * 201}, "name must be at most 200 bytes"),
        ({"name": "ä" * 101}, "name must be at most 200 bytes"),
        ({"seed": -1}, "seed"),
        ({"seed": 10**20}, "seed must be 0 to 1e"),
        ({"name": "a\nb"}, "name"),
        ({"hold_out": "H9"}, "hold_out"),
        ({"canvas": [100, 320]}, "32"),
        ({"widths": [10, 20, 30, 40, 50]}, "multiples of 8"),
        ({"widths": [0, 0, 0, 0, 0]}, "multiples of 8"),
        ({"widths": [8, 8]}, "five"),
        ({"level_widths": [8, 16]}, "none or three"),
        ({"level_pull": 1.5}, "level_pull must be 0 to 1"),
        ({"widths": [8, 8, 8, 8, "8"]}, "'widths' = '8'; give a whole number"),
        ({"canvas": [0, 0]}, "32"),
        ({"canvas": [192]}, "give 2 values"),
        ({"canvas": [32, 32]}, "larger than 32"),
        ({"canvas": ["a", "b"]}, "'canvas' = 'a'; give a whole number"),
        ({"canvas": 192}, "give a list"),
        ({"context": 2}, "odd"),
        ({"context": -1}, "context"),
        ({"phantom_share": 1.5}, "phantom_share must be 0 to 1"),
        ({"phantom_share": -0.2}, "phantom_share must be 0 to 1"),
        ({"phantom_share": float("nan")}, "give a number"),
        ({"phantom_share": 1.0, "phantoms": 0}, "nothing to train on"),
        ({"in_plane_mm": 0}, "in_plane_mm must be 0.5 to 2"),
        ({"neighbour_mm": -4}, "neighbour_mm must be 1 to 6"),
        ({"min_slice_mm": 0}, "min_slice_mm must be 0.5 to 5"),
        ({"ema": 1.0}, "ema"),
        ({"weight_decay": -0.1}, "weight_decay"),
        ({"learning_rate": float("inf")}, "give a number"),
        ({"class_weights": [1.0, 1.0]}, "class_weights must be 7"),
        ({"class_weights": [0] * 7}, "class_weights"),
        ({"class_weights": [1, 1, 1, 1, 1, 1, -1]}, "class_weights"),
        ({"set_weights": {"chu": "x"}}, r"'set_weights\.chu' = 'x'; give a number"),
        ({"set_weights": {"chu": -1}}, "set_weights"),
        ({"set_weights": [1, 2]}, "give a table"),
        ({"sets": [1]}, "'sets' = 1; give text"),
        ({"working_mm": 4.0}, "working_mm"),
        ({"appearance": 1.5}, "appearance"),
        ({"phantom_views": ["lumbar", "knee"]}, "phantom_views"),
        ({"phantom_views": []}, "phantom_views"),
        ({"steps": 0}, "at least 1"),
        ({"validate_every": 0}, "at least 1"),
        ({"batch": -1}, "at least 1"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"phantoms": 0, "real": False}, "nothing to train on"),
    ],
)
def test_impossible_values_are_refused(table, word):
    with pytest.raises(RecipeError, match=word):
        recipe_from_dict(table)


def test_a_whole_number_serves_as_a_float():
    assert recipe_from_dict({"minutes": 3}) == Recipe(minutes=3.0)


def test_values_at_the_ends_of_their_ranges_work():
    ends = {"phantom_share": 1, "in_plane_mm": 2, "neighbour_mm": 6.0, "min_slice_mm": 0.5}
    assert recipe_from_dict({**ends, "ema": 0, "set_weights": {"chu": 2}}).ema == 0.0
    assert recipe_from_dict({"name": "a b" + "a" * 197}).name.startswith("a b")


def test_values_that_win_are_checked_too():
    with pytest.raises(RecipeError, match=r"run\.toml: 'canvas' = 'a'"):
        change_recipe(Recipe(), {"canvas": ["a", "b"]}, source="run.toml")
    with pytest.raises(RecipeError, match="'stepz'"):
        change_recipe(Recipe(), {"stepz": 1})
    assert change_recipe(Recipe(seed=2), {"canvas": [64, 96]}) == Recipe(seed=2, canvas=(64, 96))


def test_every_key_is_documented_with_its_default():
    page = Path(__file__).parents[2] / "docs" / "reference" / "training-recipes.md"
    rows = re.findall(r"^\| `(\w+)` \| `?(.*?)`? \|", page.read_text(encoding="utf-8"), re.M)
    assert [key for key, _ in rows] == [field.name for field in dataclasses.fields(Recipe)]
    for key, text in rows:
        default = getattr(Recipe(), key)
        said = text.strip() if isinstance(default, str) else tomllib.loads(f"v = {text}")["v"]
        assert said == (list(default) if isinstance(default, tuple) else default), key


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"nothing\.toml"):
        read_recipe(tmp_path / "nothing.toml")

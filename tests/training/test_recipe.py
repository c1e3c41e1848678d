"""Recipes: every committed one loads, mistakes are named."""

from pathlib import Path

import pytest

from spinekit.core.errors import RecipeError
from spinekit.training.recipe import Recipe, read_recipe, recipe_from_dict

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
        ({"steps": "many"}, "int"),
        ({"hold_out": "H9"}, "hold_out"),
        ({"canvas": [100, 320]}, "32"),
        ({"widths": [10, 20, 30, 40, 50]}, "multiples of 8"),
        ({"context": 2}, "odd"),
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


def test_unreadable_file_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"nothing\.toml"):
        read_recipe(tmp_path / "nothing.toml")

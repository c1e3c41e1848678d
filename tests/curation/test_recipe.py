"""Recipes: every committed one loads, every key is documented, mistakes are named."""

import dataclasses
from pathlib import Path

import pytest

from spinekit.core.errors import RecipeError
from spinekit.curation.recipe import PrepareRecipe, Source, prepare_recipe, read_prepare_recipe
from spinekit.curation.selection import DISCS, VERTEBRAE, expand_labels
from spinekit.datasets.registry import entry_named

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "recipes" / "data").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_committed_recipes_load_and_name_sets_that_exist(path: Path) -> None:
    recipe = read_prepare_recipe(path)

    assert recipe.name == path.stem
    assert recipe.sources
    for source in recipe.sources:
        entry_named(source.dataset).check(source.settings)


@pytest.mark.parametrize("kind", [PrepareRecipe, Source])
def test_every_key_is_documented(kind: type) -> None:
    page = (ROOT / "docs" / "reference" / "data-recipes.md").read_text(encoding="utf-8")

    keys = [field.name for field in dataclasses.fields(kind) if field.name != "sources"]
    assert [key for key in keys if f"`{key}`" not in page] == []


@pytest.mark.parametrize(
    ("table", "word"),
    [
        ({"spacings_mm": [1, 1, 1]}, "'spacing_mm'"),
        ({"sources": [{"rot": "x"}]}, "'root'"),
        ({"sources": "x"}, r"\[\[sources\]\]"),
        ({"labels": ["L9"]}, "'L9' stands for no structure"),
        ({"labels": ["L5-L1"]}, "L5-L1"),
        ({"orientation": "RAR"}, "no orientation"),
        ({"sources": [{"fix_axes": "doctors"}]}, "no orientation"),
        ({"spacing_mm": [1, 1]}, "three numbers"),
        ({"size": [32, -1, 128]}, "whole numbers"),
        ({"validation": 0.6, "test": 0.4}, "something to train on"),
        ({"folds": 1}, "folds"),
        ({"renumber": True, "scheme": "spider"}, "exclude each other"),
        ({"exports": ["nnunet-104"]}, "exports"),
        ({"exports": ["nnunet-101"], "scheme": "spider"}, "need the scheme"),
        ({"sources": [{"bone_names": ["sacrum"]}]}, "vertebrae"),
        ({"crop_vertebrae": [8, 3]}, "fewest and most"),
        ({"conflicts": "loudest"}, "smaller"),
        ({"image_order": 9}, "0 … 5"),
    ],
)
def test_mistakes_are_named(table: dict, word: str) -> None:
    with pytest.raises(RecipeError, match=word):
        prepare_recipe(table)


@pytest.mark.parametrize("root", ["$SPINEKIT_NONE/a", "${SPINEKIT_NONE}"])
def test_a_variable_that_is_not_set_is_named(
    root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError, match="the variable SPINEKIT_NONE is not set; set it, or"):
        _ = Source(root=root).folder

    (tmp_path / root).mkdir(parents=True)
    assert Source(root=root).folder == Path(root)
    monkeypatch.setenv("SPINEKIT_NONE", "/data")
    assert Source(root=root).folder.parts[:2] == ("/", "data")


def test_what_changes_the_set_alone_changes_no_case() -> None:
    one = prepare_recipe({"seed": 1})

    assert one.case_options() != PrepareRecipe().case_options()
    other = prepare_recipe({"folds": 5, "exports": ["bids"], "name": "x", "test": 0.1})
    assert other.case_options() == PrepareRecipe().case_options()


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["L1-L5"], ("L1", "L2", "L3", "L4", "L5")),
        (["L4-L5"], ("L4-L5",)),
        (["L4..L5"], ("L4", "L5")),
        (["L1-L2..L3-L4"], ("L1-L2", "L2-L3", "L3-L4")),
        (["T11-L1", "L1"], ("T12-L1", "L1")),
        (["T10-L2"], ("T10", "T11", "T12", "L1", "L2")),
        (["T12-L6"], ("T12", "L1", "L2", "L3", "L4", "L5", "L6")),
        (["canal", "cord"], ("spinal_canal", "spinal_cord")),
        (["vertebrae"], VERTEBRAE),
        (["discs"], DISCS),
    ],
)
def test_words_stand_for_structures(words: list[str], names: tuple[str, ...]) -> None:
    assert expand_labels(words) == names


def test_no_word_is_everything() -> None:
    assert len(expand_labels([])) == len(set(expand_labels([]))) == 26 + 1 + len(DISCS) + 2


def test_what_says_bodies_alone_changes_no_options_of_a_case() -> None:
    """So that sets prepared before it could be said are gone on with."""
    assert Source(bodies_only=("*",)).case_options() == Source().case_options()
    assert "bodies_only" not in Source().case_options()

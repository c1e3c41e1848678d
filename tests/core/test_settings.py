"""Plain values become dataclasses, or the one that is wrong is named."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from spinekit.core.errors import RecipeError, UsageError
from spinekit.core.settings import fill, parse_pairs, read_toml


@dataclass(frozen=True)
class Settings:
    """One of each kind."""

    share: float = 0.5
    pair: tuple[int, int] = (1, 2)
    numbers: tuple[float, ...] = ()
    words: tuple[str, ...] = ()
    weights: dict[str, float] = field(default_factory=dict)
    free: dict[str, Any] = field(default_factory=dict)


def test_values_take_their_fields_types() -> None:
    table = {"share": 1, "pair": [3, 4], "numbers": [0, 1.5], "weights": {"a": 2}}
    filled = fill(Settings, table)
    assert filled == Settings(1.0, (3, 4), (0, 1.5), (), {"a": 2})
    assert isinstance(filled.share, float)
    assert isinstance(filled.numbers[0], int)  # as written: records of it stay the same


def test_what_may_be_anything_is_taken_as_it_is() -> None:
    assert fill(Settings, {"free": {"a": [1, "x"], "b": {}}}).free == {"a": [1, "x"], "b": {}}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"share": "x"}, "r: 'share' = 'x'; give a number"),
        ({"share": True}, "r: 'share' = True; give a number"),
        ({"share": float("nan")}, "r: 'share' = nan; give a number"),
        ({"pair": [1]}, r"r: 'pair' = \[1\]; give 2 values"),
        ({"pair": [1, 2.5]}, "r: 'pair' = 2.5; give a whole number"),
        ({"numbers": [1, "x"]}, "r: 'numbers' = 'x'; give a number"),
        (
            {"words": "abc"},
            r"""r: 'words' = 'abc'; give a list: words = \["abc"\], with --set 'words=\["abc"\]'""",
        ),
        ({"numbers": 3}, "r: 'numbers' = 3; give a list"),
        ({"words": [1]}, "r: 'words' = 1; give text in quotes"),
        ({"weights": {"a": "x"}}, r"r: 'weights\.a' = 'x'; give a number"),
    ],
)
def test_a_value_of_another_type_is_named(table: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=f"^{message}$"):
        fill(Settings, table, source="r")


def test_pairs_of_one_table_add_up():
    pairs = ["weights.a=1", "weights.b=2", "weights.a=3", "name=x y"]
    assert parse_pairs(pairs) == {"weights": {"a": 3, "b": 2}, "name": "x y"}


@pytest.mark.parametrize("word", ["steps", "", "=3", " =3"])
def test_a_word_that_is_no_pair_is_named(word: str) -> None:
    with pytest.raises(RecipeError, match=f"^'{word}' is not KEY=VALUE") as caught:
        parse_pairs(["steps=3", word])
    assert caught.value.code == "bad-setting"


def test_a_recipe_that_is_not_there_is_wrong_use(tmp_path):
    with pytest.raises(UsageError, match=r"none\.toml: no such file; check the path") as caught:
        read_toml(tmp_path / "none.toml")
    assert (caught.value.code, caught.value.exit_code) == ("file-missing", 2)


def test_a_recipe_may_begin_with_the_mark_that_editors_put_there(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text('name = "x"\n', encoding="utf-8-sig")
    assert read_toml(path) == {"name": "x"}

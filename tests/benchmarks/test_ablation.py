"""Variants of the ablation: what they change, and when they say nothing."""

import pytest

import ablation
from spinekit.datasets.real import HOLD_OUTS
from spinekit.training.recipe import Recipe, recipe_from_dict

DATASETS = set().union(*HOLD_OUTS.values())


@pytest.mark.parametrize("variant", ablation.VARIANTS)
def test_every_variant_is_a_recipe_of_its_own_name(variant):
    recipe = recipe_from_dict(ablation.changes(variant, "H2", 50, DATASETS))
    assert recipe.steps == 50
    assert (recipe == Recipe(name=recipe.name, steps=50)) == (variant == "all")


def test_names_of_runs_differ():
    names = {
        ablation.changes(v, h, 5, DATASETS)["name"] for v in ablation.VARIANTS for h in HOLD_OUTS
    }
    assert len(names) == len(ablation.VARIANTS) * len(HOLD_OUTS)


def test_one_set_alone_is_not_the_one_held_out():
    assert not ablation.is_sensible("phantoms and chu", "H1")
    assert ablation.is_sensible("phantoms and chu", "H2")
    assert ablation.changes("phantoms and chu", "H2", 5, DATASETS)["set_weights"] == {
        name: float(name == "chu") for name in DATASETS
    }


def test_a_cell_tells_the_change_and_the_names():
    column = ("chu", "body", "instances")
    rows = {
        name: ablation.Row("H1", name, 5, 3, *column, 2, dice, 0.1, 0.9, 0.2, 0, 6, 7)
        for name, dice in (("all", 0.8), ("no Dice loss", 0.75))
    }
    dice = {(name, column): row for name, row in rows.items()}
    assert ablation.describe(dice, "all", column) == "0.800, 6/7 right"
    assert ablation.describe(dice, "no Dice loss", column) == "0.750 (-0.050), 6/7 right"
    assert ablation.describe(dice, "greys unchanged", column) == ""


def test_self_training_learns_from_the_run_of_all_with_the_same_hold_out():
    values = ablation.changes("self-training", "H3", 5, DATASETS)
    assert values["teacher"] == ablation.changes("all", "H3", 5, DATASETS)["name"]


def test_the_command_of_the_table_measures_all_its_rows_again():
    column = ("chu", "body", "instances")
    rows = [
        ablation.Row(hold_out, name, steps, 3, *column, 2, 0.8, 0.1, 0.9, 0.2, 0, 6, 7)
        for hold_out, name, steps in (
            ("H3", "all", 200), ("H1", "all", 200), ("H3", "no Dice loss", 200), ("H2", "all", 9)
        )
    ]  # fmt: skip
    run = "python benchmarks/ablation.py run"
    assert ablation.write_command(rows) == (
        f"{run} --steps 200 --every 3 --hold-outs H1 H3 --variants all 'no Dice loss'; "
        f"{run} --steps 9 --every 3 --hold-outs H2 --variants all"
    )


def test_the_committed_table_says_how_to_measure_it_again():
    rows = ablation.read_records(ablation.RESULTS, ablation.Row)
    assert f"# command: {ablation.write_command(rows)}" in ablation.RESULTS.read_text().splitlines()

"""Weights are known to have seen whoever tests, is held out or chooses them by now."""

import dataclasses
import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from curation.sets import recipe_table
from spinekit.core.errors import RecipeError
from spinekit.curation.recipe import prepare_recipe
from spinekit.curation.run import prepare_set
from spinekit.training.patients import (
    Sides,
    check_patients,
    describe_patients,
    find_sides,
    join_by_images,
    unite_patients,
)
from spinekit.training.recipe import Recipe
from spinekit.training.run import tell_held_out, train
from spinekit.training.start import Start, check_origins, read_model
from training.test_prepared import write_scans
from training.test_run import write_recipe


def sides_of(aside=(), choosing=()):
    """Sides of cases of one set."""
    sets = {"site": [*aside, *choosing]}
    return find_sides(sets, join_by_images([sets], {"site": list(aside)}), {}, sets)


def seen(train, valid=()):
    return {"patients": describe_patients({"site": list(train)}, {"site": list(valid)})}


def check(facts, sides):
    """What is said of weights with these facts."""
    said: list[str] = []
    check_patients("the run", facts, sides, remedy="train it anew", report=said.append)
    return said


def test_marks_tell_no_names_and_no_phantoms(cases):
    named = [dataclasses.replace(case, subject=f"anna{n}") for n, case in enumerate(cases)]
    told = describe_patients({"site": named[:2], "phantom": named[2:]}, {"site": named[2:3]})
    assert {key: len(marks) for key, marks in told.items()} == {"trained": 4, "chose": 2}
    assert "anna" not in json.dumps(told)
    assert "site" not in json.dumps(told)


def test_who_tests_and_was_trained_on_is_refused(cases):
    with pytest.raises(RecipeError, match=r"the run has seen 1 of 2 .*case1 of site; train") as is_:
        check(seen(cases[1:4]), sides_of(aside=cases[:2]))
    assert is_.value.code == "recipe-leak"


def test_who_tests_and_chose_the_weights_is_refused_too(cases):
    with pytest.raises(RecipeError, match="has seen 1 of 1"):
        check(seen(cases[2:], cases[:1]), sides_of(aside=cases[:1]))


def test_who_tests_is_known_by_the_image_under_another_name(cases):
    other = [dataclasses.replace(cases[0], name="x", subject="x", source="elsewhere")]
    with pytest.raises(RecipeError, match="has seen 1 of 1"):
        check(seen(other), sides_of(aside=cases[:1]))


def test_another_scan_of_who_was_trained_on_is_refused_by_the_name(cases):
    other = [dataclasses.replace(cases[5], name="x", subject=cases[0].subject)]
    with pytest.raises(RecipeError, match="has seen 1 of 1"):
        check(seen(other), sides_of(aside=cases[:1]))


def test_who_chooses_and_was_trained_on_is_told(cases):
    (line,) = check(seen(cases[1:]), sides_of(choosing=cases[:2]))
    assert line.startswith("the run was trained on 1 of 2 patients who choose")
    assert not check(seen(cases[2:], cases[:2]), sides_of(choosing=cases[:2]))


def test_who_trains_and_chooses_for_lack_of_others_is_no_news(cases):
    sets = {"site": cases}
    sides = find_sides(sets, set(), sets, sets)
    assert sides == Sides()


@pytest.mark.parametrize("facts", [{}, {"patients": {}}, {"trained_on": {"site": 3}}])
def test_weights_that_tell_nothing_of_patients_are_taken(cases, facts):
    assert not check(facts, sides_of(cases[:1], cases[1:2]))


def test_patients_are_united_each_once(cases):
    told = unite_patients(seen(cases[:2]), {}, seen(cases[1:3], cases[:1]))
    assert told == describe_patients({"site": cases[:3]}, {"site": cases[:1]})


def prepare(tmp_path: Path, **more: object) -> None:
    table = recipe_table(tmp_path / "in") | {"name": "set", "validation": 0.0} | more
    prepare_set(prepare_recipe(table), tmp_path / "set")


def share_out(tmp_path: Path, **parts: list[int]) -> None:
    """Say which scans train, validate and test."""
    path = tmp_path / "set/splits.json"
    split = json.loads(path.read_text())
    split |= {part: [f"sub{n:02d}_T2w" for n in parts.get(part, [])] for part in
              ("train", "validation", "test")}  # fmt: skip
    path.write_text(json.dumps(split))


@pytest.fixture
def mine(tmp_path, monkeypatch) -> Path:
    """Four scans of one's own, of which two train and one chooses."""
    monkeypatch.delenv("SPINEKIT_REAL_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    write_scans(tmp_path / "in")
    prepare(tmp_path)
    share_out(tmp_path, train=[1, 2], validation=[3], test=[4])
    return tmp_path


OWN = 'real = false\nsets = ["set"]\n'


def run(folder: Path, name: str, more: str = "", **overrides: object) -> list[str]:
    said: list[str] = []
    path = write_recipe(folder, name, OWN + more)
    train(path, work=folder / "work", device="cpu", overrides=overrides, report=said.append)
    return said


def test_a_run_whose_patients_come_to_test_is_not_gone_on_with(mine):
    run(mine, "one")
    share_out(mine, train=[2, 4], validation=[3], test=[1])
    with pytest.raises(RecipeError, match=r"\.pt: the run has seen 1 of 1 .*sub01 of in") as is_:
        run(mine, "one", steps=8)
    assert is_.value.code == "recipe-leak"
    assert "delete work/runs/one" in is_.value.remedy.replace(str(mine) + "/", "")


def test_a_run_whose_patients_come_to_choose_says_so_and_remembers_all(mine):
    run(mine, "one")
    share_out(mine, train=[2, 4], validation=[1], test=[])
    said = run(mine, "one", steps=8)
    assert any("was trained on 1 of 1 patients who choose" in line for line in said)
    share_out(mine, train=[2], validation=[4], test=[3])
    with pytest.raises(RecipeError, match=r"has seen 1 of 1 .*sub03 of in"):
        run(mine, "one", steps=12)


@pytest.mark.parametrize("role", ["init", "teacher"])
def test_a_start_or_teacher_that_saw_who_tests_now_is_refused(mine, role):
    run(mine, "one")
    (mine / "one.onnx").write_bytes((mine / "work/runs/one/model.onnx").read_bytes())
    share_out(mine, train=[2, 4], validation=[3], test=[1])
    with pytest.raises(RecipeError, match=r"its (start|teacher) one has seen 1 of 1 .*sub01"):
        run(mine, "two", f'{role} = "one.onnx"\n')


def test_what_a_start_goes_back_to_is_remembered(mine):
    run(mine, "one")
    share_out(mine, train=[2, 4], validation=[3])
    run(mine, "two", 'init = "one"\n')
    patients = read_model(mine / "work/runs/two/model.onnx")[1].facts["patients"]
    assert len(patients["trained"]) == 6
    share_out(mine, train=[2, 4], validation=[3], test=[1])
    with pytest.raises(RecipeError, match=r"its start two has seen 1 of 1 .*sub01"):
        run(mine, "three", 'init = "two"\n')


def own_start(trained_on, hold_out=""):
    before = Recipe(name="old", hold_out=hold_out)
    return Start("old", before, {}, {}, {"trained_on": trained_on})


def test_within_is_no_leak_of_a_start_that_knows_none_of_its_sets():
    recipe = Recipe(name="mine", hold_out="within")
    check_origins(recipe, {"start": own_start({"chu": 9})}, Sides(), ["own"], report=str)
    check_origins(recipe, {"start": own_start({"own": 9}, "within")}, Sides(), ["own"], report=str)
    with pytest.raises(RecipeError, match="its start old has seen it"):
        check_origins(recipe, {"start": own_start({"own": 9})}, Sides(), ["own"], report=str)
    started = own_start({"phantom": 9})
    told = {"start": {"name": "older", "hold_out": "", "trained_on": {"own": 3}}}
    started = dataclasses.replace(started, told={**started.told, **told})
    with pytest.raises(RecipeError, match="goes back to older"):
        check_origins(recipe, {"start": started}, Sides(), ["own"], report=str)


def test_a_run_says_how_many_it_holds_out_of_each_set(cases):
    said: list[str] = []
    sets = {"one": cases, "two": cases[:2], "phantom": cases}
    tell_held_out(Recipe(), sets, {}, report=said.append)
    assert not said
    tell_held_out(Recipe(hold_out="within"), sets, {"one": cases[:2]}, report=said.append)
    assert said == ["within holds out 2 of 6 scans of one", "within holds out 0 of 2 scans of two"]
    said.clear()
    tell_held_out(Recipe(hold_out="H1"), sets, {}, report=said.append)
    assert said == ["warning: H1 holds out no scan at hand"]

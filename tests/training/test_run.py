"""From recipe files to a model file: starts that are missing are trained first."""

import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from spinekit.core.errors import InputError, ModelError, RecipeError, UsageError
from spinekit.core.modelspec import METADATA_KEY
from spinekit.loaders.pack import save_pack
from spinekit.prediction.runner import load_model
from spinekit.training.export import is_exported, store_scores
from spinekit.training.recipe import Recipe
from spinekit.training.run import train
from spinekit.training.start import read_model, start_from_model
from tiny_model import write_tiny_model

TINY = """
phantoms = 0
widths = [8, 8, 16, 16, 16]
canvas = [64, 96]
steps = 4
batch = 2
validate_every = 2
"""


@pytest.fixture
def work(cases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A work folder whose only data is one packed set."""
    monkeypatch.delenv("SPINEKIT_REAL_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    save_pack(tmp_path / "work/packs/real-blocks-0123456789abcdef.npz", cases)
    return tmp_path / "work"


def write_recipe(folder: Path, name: str, more: str = "") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(f'name = "{name}"\n{more}{TINY}', encoding="utf-8")
    return path


def test_a_missing_start_is_trained_first_and_a_complete_one_is_not_again(work, tmp_path):
    write_recipe(tmp_path, "start")
    path = write_recipe(tmp_path, "next", 'init = "start"\n')
    lines: list[str] = []
    model = load_model(train(path, work=work, device="cpu", report=lines.append), threads=1)
    assert model.spec.name == "next"
    assert model.spec.facts["trained_on"] == {"blocks": len(training_cases(work))}
    assert any("training that first" in line for line in lines)
    again: list[str] = []
    train(path, work=work, device="cpu", report=again.append)
    assert not any("training that first" in line for line in again)


def training_cases(work: Path) -> list[str]:
    """Names of the packed cases that no validation subject takes away."""
    from spinekit.loaders.pack import load_pack
    from spinekit.training.batches import split_cases

    packed = {"blocks": load_pack(work / "packs/real-blocks-0123456789abcdef.npz")}
    train_sets, _ = split_cases(packed, Recipe())
    return [case.name for case in train_sets["blocks"]]


def test_a_start_without_recipe_is_named(work, tmp_path):
    path = write_recipe(tmp_path, "next", 'init = "nowhere"\n')
    with pytest.raises(RecipeError, match=r"nowhere\.toml"):
        train(path, work=work, device="cpu", report=lambda _: None)


def test_recipes_that_need_each_other_are_refused(work, tmp_path):
    write_recipe(tmp_path, "one", 'init = "two"\n')
    path = write_recipe(tmp_path, "two", 'teacher = "one"\n')
    with pytest.raises(RecipeError, match="two needs one needs two"):
        train(path, work=work, device="cpu", report=lambda _: None)


def test_a_start_whose_recipe_is_called_otherwise_is_refused_before_it_is_trained(work, tmp_path):
    write_recipe(tmp_path, "start").rename(tmp_path / "copy.toml")
    path = write_recipe(tmp_path, "next", 'init = "copy"\n')
    with pytest.raises(RecipeError, match=r"copy\.toml: its recipe is called start"):
        train(path, work=work, device="cpu", report=lambda _: None)
    assert not (work / "runs").exists()


def test_a_start_that_has_seen_the_held_out_sets_is_refused(work, tmp_path):
    write_recipe(tmp_path, "start")
    path = write_recipe(tmp_path, "next", 'init = "start"\nhold_out = "H1"\n')
    with pytest.raises(RecipeError, match="start has seen it"):
        train(path, work=work, device="cpu", report=lambda _: None)


def test_without_any_data_it_says_so(work, tmp_path):
    (work / "packs/real-blocks-0123456789abcdef.npz").unlink()
    with pytest.raises(RecipeError, match="no real scans found"):
        train(write_recipe(tmp_path, "alone"), work=work, device="cpu", report=lambda _: None)


def test_a_model_file_can_be_the_start_and_the_next_model_says_so(work, tmp_path):
    first = train(write_recipe(tmp_path, "start"), work=work, device="cpu", report=lambda _: None)
    (tmp_path / "mine.onnx").write_bytes(first.read_bytes())
    path = write_recipe(tmp_path, "next", 'init = "mine.onnx"\nlearning_rate = 1e-9\n')
    second = train(path, work=work, device="cpu", report=lambda _: None)
    before, spec = read_model(first)
    after, next_spec = read_model(second)
    assert next_spec.facts["start"]["name"] == "start"
    assert next_spec.facts["start"]["weights_sha256"] == spec.facts["weights_sha256"]
    assert before.keys() == after.keys()
    for name, weight in before.items():
        # Four steps of next to no length: what is stored in 16 bits comes back.
        assert abs(weight - after[name]).max() < 2e-3 * max(1.0, float(weight.abs().max())), name


def test_a_model_file_that_has_seen_the_held_out_sets_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="default has seen it"):
        start_from_model(Recipe(name="h", hold_out="H1"), "embedded", tmp_path)


def test_a_start_that_reads_no_levels_apart_is_gone_on_with(work, tmp_path):
    write_recipe(tmp_path, "start")
    path = write_recipe(tmp_path, "next", 'init = "start"\nlevel_widths = [8, 16, 16]\n')
    told: list[str] = []
    model = train(path, work=work, device="cpu", report=told.append)
    assert "started from start, its levels anew" in told
    assert any(name.startswith("level_reader.") for name in read_model(model)[0])


def test_a_start_of_another_shape_is_named_with_what_the_recipe_needs(work, tmp_path):
    write_recipe(tmp_path, "start", "level_widths = [8, 16, 16]\n")
    path = write_recipe(tmp_path, "next", 'init = "start"\n')
    with pytest.raises(RecipeError, match="another shape") as caught:
        train(path, work=work, device="cpu", report=lambda _: None)
    wanted = caught.value.remedy.removeprefix("give the recipe ").removesuffix(", or another init")
    lines = wanted.replace("], ", "]\n") + "\n"
    assert "level_widths = [8, 16, 16]\n" in lines
    named = {line.split(" = ")[0] for line in lines.splitlines()}
    kept = [line for line in path.read_text().splitlines() if line.split(" = ")[0] not in named]
    path.write_text("\n".join(kept) + "\n" + lines)
    told: list[str] = []
    train(path, work=work, device="cpu", report=told.append)
    assert "started from start" in told


@pytest.mark.parametrize("content", [None, b"no model"])
def test_a_start_that_is_no_model_file_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / "bad.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=r"bad\.onnx"):
        start_from_model(Recipe(), "bad.onnx", tmp_path)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"recipe": {"future": 1}}, "unknown key 'future': its recipe was made by another version"),
        ({"recipe": {"steps": "many"}}, "'steps' = 'many'"),
        ({"future": 1}, "unexpected keyword argument 'future'"),
        ({"facts": []}, r"its facts is \[\]"),
        ({"in_plane_mm": 0.0}, r"its in_plane_mm is 0\.0"),
    ],
)
def test_a_start_that_another_version_made_is_named_with_what_to_do(tmp_path, change, word):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(write_tiny_model(tmp_path / "new.onnx"))
    told = json.loads({entry.key: entry.value for entry in model.metadata_props}[METADATA_KEY])
    onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps(told | change)})
    onnx.save(model, tmp_path / "new.onnx")
    with pytest.raises(ModelError, match=rf"new\.onnx: .*{word}.*; use the version") as caught:
        start_from_model(Recipe(), "new.onnx", tmp_path)
    assert caught.value.code == "model-spec"


def test_a_teacher_is_trained_first_and_the_model_says_who_it_was(work, tmp_path):
    write_recipe(tmp_path, "old")
    path = write_recipe(tmp_path, "next", 'teacher = "old"\n')
    lines: list[str] = []
    _, spec = read_model(train(path, work=work, device="cpu", report=lines.append))
    assert any("needs old" in line for line in lines)
    assert spec.recipe["teacher"] == "old"
    assert spec.facts["teacher"]["name"] == "old"
    assert list((work / "packs").glob("self-blocks-*.npz"))


def test_a_teacher_that_has_seen_the_held_out_sets_is_refused(work, tmp_path):
    path = write_recipe(tmp_path, "next", 'teacher = "embedded"\nhold_out = "H1"\n')
    with pytest.raises(RecipeError, match="default has seen it"):
        train(path, work=work, device="cpu", report=lambda _: None)


def test_a_run_is_refused_by_what_it_was_trained_on_whatever_its_recipe_says_now(work, tmp_path):
    train(write_recipe(tmp_path, "start"), work=work, device="cpu", report=lambda _: None)
    write_recipe(tmp_path, "start", 'hold_out = "H1"\n')
    path = write_recipe(tmp_path, "next", 'init = "start"\nhold_out = "H1"\n')
    with pytest.raises(RecipeError, match="start has seen it"):
        train(path, work=work, device="cpu", report=lambda _: None)


def test_a_start_whose_own_start_has_seen_the_held_out_sets_is_refused(work, tmp_path):
    packs = work / "packs"
    (packs / "real-blocks-0123456789abcdef.npz").rename(packs / "real-chu-0123456789abcdef.npz")
    write_recipe(tmp_path, "all")
    middle = write_recipe(tmp_path, "middle", 'init = "all"\nreal = false\n')
    middle.write_text(middle.read_text().replace("phantoms = 0", "phantoms = 1"))
    model = train(middle, work=work, device="cpu", report=lambda _: None)
    assert set(read_model(model)[1].facts["trained_on"]) == {"phantom"}
    path = write_recipe(tmp_path, "next", 'init = "middle"\nhold_out = "H1"\n')
    with pytest.raises(RecipeError, match="middle, which goes back to all, has seen it"):
        train(path, work=work, device="cpu", report=lambda _: None)


def test_what_a_model_goes_back_to_is_told_once_each(work, tmp_path):
    for name, more in (
        ("a", ""),
        ("b", 'init = "a"\nteacher = "a"\n'),
        ("c", 'init = "b"\nteacher = "b"\n'),
    ):
        path = write_recipe(tmp_path, name, more)
    _, spec = read_model(train(path, work=work, device="cpu", report=lambda _: None))
    assert spec.facts["start"]["name"] == "b"
    assert [told["name"] for told in spec.facts["start"]["lineage"]] == ["a"]


@pytest.mark.parametrize(
    ("change", "word"), [('teacher = "old"\n', "teacher"), ("ema = 0.9\n", "ema")]
)
def test_a_run_of_another_recipe_is_not_gone_on_with(work, tmp_path, change, word):
    write_recipe(tmp_path, "old")
    train(write_recipe(tmp_path, "mine"), work=work, device="cpu", report=lambda _: None)
    path = write_recipe(tmp_path, "mine", change)
    with pytest.raises(RecipeError, match=f"differs in {word}"):
        train(path, work=work, device="cpu", report=lambda _: None)


def test_a_run_from_other_weights_is_not_gone_on_with(work, tmp_path):
    write_recipe(tmp_path, "start")
    path = write_recipe(tmp_path, "next", 'init = "start"\n')
    train(path, work=work, device="cpu", report=lambda _: None)
    for file in (work / "runs/start").iterdir():
        file.unlink()
    write_recipe(tmp_path, "start", "seed = 1\n")
    with pytest.raises(RecipeError, match="the weights of its start"):
        train(path, work=work, device="cpu", report=lambda _: None)


def test_a_longer_run_goes_on_and_says_that_the_schedule_changed(work, tmp_path):
    path = write_recipe(tmp_path, "mine")
    train(path, work=work, device="cpu", report=lambda _: None)
    lines: list[str] = []
    train(path, work=work, device="cpu", overrides={"steps": 6}, report=lines.append)
    assert "steps was 4 and is 6: the schedule is the new one from here" in lines
    train(path, work=work, device="cpu", overrides={"steps": 6}, report=lines.append)
    assert "resumed at step 6 of 6: nothing is left to train" in lines


def test_values_that_cannot_work_are_named_before_anything_is_done(work, tmp_path):
    path = write_recipe(tmp_path, "mine")
    with pytest.raises(RecipeError, match="steps must be at least 1"):
        train(path, work=work, device="cpu", overrides={"steps": 0}, report=lambda _: None)
    assert not (work / "runs/mine").exists()


def test_a_hold_out_that_leaves_nothing_is_named(work, tmp_path):
    packs = work / "packs"
    (packs / "real-blocks-0123456789abcdef.npz").rename(packs / "real-chu-0123456789abcdef.npz")
    path = write_recipe(tmp_path, "mine", 'hold_out = "H1"\n')
    with pytest.raises(RecipeError, match="nothing to train on"):
        train(path, work=work, device="cpu", report=lambda _: None)


def test_too_few_patients_choose_the_weights_themselves(work, cases, tmp_path):
    save_pack(work / "packs/real-blocks-0123456789abcdef.npz", cases[:2])
    lines: list[str] = []
    train(write_recipe(tmp_path, "mine"), work=work, device="cpu", report=lines.append)
    assert any("the scans of blocks that train choose weights too" in line for line in lines)
    assert any("packed before: blocks" in line for line in lines)


def test_a_folder_of_scans_that_is_not_there_is_named(work, tmp_path, monkeypatch):
    monkeypatch.setenv("SPINEKIT_REAL_DATA", str(tmp_path / "mistyped"))
    with pytest.raises(InputError, match=r"mistyped.*correct the variable"):
        train(write_recipe(tmp_path, "mine"), work=work, device="cpu", report=lambda _: None)


def train_and_read(path: Path, work: Path) -> tuple[str, list[str]]:
    """The hash of the weights, and what was said."""
    said: list[str] = []
    model = train(path, work=work, device="cpu", report=said.append)
    return read_model(model)[1].facts["weights_sha256"], said


def test_two_runs_started_together_train_their_common_start_once(work, tmp_path):
    write_recipe(tmp_path, "start")
    paths = [write_recipe(tmp_path, name, 'init = "start"\n') for name in ("one", "two")]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, context) as pool:
        results = list(pool.map(train_and_read, paths, [work, work]))
    rows = (work / "runs/start/log.csv").read_text().splitlines()
    assert [row.partition(",")[0] for row in rows] == ["step", "2", "4"]
    assert results[0][0] == results[1][0]  # the same recipe but for its name
    assert {path.name for path in (work / "runs").iterdir()} == {"start", "one", "two"}


@pytest.mark.parametrize("role", ["init", "teacher"])
def test_an_ancestor_whose_recipe_changed_is_refused(work, tmp_path, role):
    write_recipe(tmp_path, "old")
    write_recipe(tmp_path, "middle", 'init = "old"\n')
    path = write_recipe(tmp_path, "next", f'{role} = "middle"\n')
    train(path, work=work, device="cpu", report=str)
    write_recipe(tmp_path, "old", "ema = 0.9\n")
    with pytest.raises(RecipeError, match=r"old: the run that lies there differs in ema from"):
        train(path, work=work, device="cpu", report=str)


def test_an_ancestor_of_another_length_is_used_and_told(work, tmp_path):
    path = write_recipe(tmp_path, "next", 'init = "old"\n')
    old = write_recipe(tmp_path, "old")
    train(old, work=work, device="cpu", report=str)
    old.write_text(old.read_text().replace("steps = 4", "steps = 6"))
    said: list[str] = []
    train(path, work=work, device="cpu", report=said.append)
    assert any("old was trained with another steps" in line for line in said)


def test_an_ancestor_that_was_trained_anew_is_told(work, tmp_path):
    write_recipe(tmp_path, "old")
    write_recipe(tmp_path, "middle", 'init = "old"\n')
    path = write_recipe(tmp_path, "next", 'init = "middle"\n')
    train(path, work=work, device="cpu", report=str)
    for file in (work / "runs/old").iterdir():
        file.unlink()
    train(write_recipe(tmp_path, "old", "seed = 1\n"), work=work, device="cpu", report=str)
    said: list[str] = []
    train(path, work=work, device="cpu", report=said.append)
    assert "old was trained anew since middle took its weights" in said


def test_a_device_that_is_not_there_is_named_before_anything_is_done(work, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    path = write_recipe(tmp_path, "mine", 'init = "start"\n')
    with pytest.raises(UsageError, match="device cuda: ") as caught:
        train(path, work=work, device="cuda", report=str)
    assert caught.value.code == "no-gpu"
    assert not (work / "runs").exists()


def test_a_run_says_what_it_runs_on(work, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("spinekit.training.precision.NATIVE", ())
    said: list[str] = []
    train(write_recipe(tmp_path, "mine"), work=work, report=said.append)
    assert said[0].startswith("mine: on cpu in float32 (")


def test_a_complete_run_keeps_its_model_file_and_the_scores_in_it(work, tmp_path):
    path = write_recipe(tmp_path, "mine")
    model = train(path, work=work, device="cpu", report=str)
    store_scores(model, {"h1": {"body": 0.9}})
    scored = model.read_bytes()
    said: list[str] = []
    assert train(path, work=work, device="cpu", report=said.append) == model
    assert model.read_bytes() == scored
    assert said[-1].endswith("stays as it is")
    train(path, work=work, device="cpu", overrides={"steps": 8}, report=str)
    assert is_exported(model.with_name("best.pt"), model)


def test_a_model_file_tells_what_its_start_scored(work, tmp_path):
    write_recipe(tmp_path, "start")
    said: list[str] = []
    model = train(write_recipe(tmp_path, "next", 'init = "start"\n'), work=work, device="cpu",
                  report=said.append)  # fmt: skip
    start = read_model(model)[1].facts["start"]
    assert start["name"] == "start"
    assert f"the start scores {start['score']:.4f}" in said


def test_a_weight_of_a_set_that_is_not_there_is_told(work, tmp_path):
    path = write_recipe(tmp_path, "mine", "set_weights = {blocsk = 2}\n")
    said: list[str] = []
    train(path, work=work, device="cpu", report=said.append)
    assert "set_weights: no set at hand is called blocsk; there are: blocks" in said


def test_weights_that_leave_no_real_scan_are_refused(work, tmp_path):
    path = write_recipe(tmp_path, "mine", "set_weights = {blocks = 0}\n")
    with pytest.raises(RecipeError, match="no real scan to draw"):
        train(path, work=work, device="cpu", report=str)

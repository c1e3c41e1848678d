"""A user's own data, from `spinekit data prepare` to a model that goes on from another."""

import dataclasses
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from curation.sets import recipe_table, save, small_spine, write_set
from spinekit.anatomy.scheme import LEVELS, VALUES
from spinekit.core.errors import InputError, RecipeError
from spinekit.curation.recipe import prepare_recipe
from spinekit.curation.run import prepare_set
from spinekit.datasets.partial import ALLOW_BACKGROUND, ALLOW_BODY, ALLOW_DISC, ALLOW_POSTERIOR
from spinekit.datasets.prepared import open_prepared, patients_who_test
from spinekit.datasets.real import subject_fold
from spinekit.loaders.pack import PackedCase, load_pack
from spinekit.prediction.runner import load_model
from spinekit.training.batches import split_cases
from spinekit.training.facts import describe
from spinekit.training.packing import pack_prepared
from spinekit.training.recipe import Recipe
from spinekit.training.run import gather, train
from training.test_run import write_recipe


def write_scans(root: Path, patients: int = 4) -> Path:
    """As `write_set`, but what the images show differs by more than their brightness."""
    write_set(root, patients)
    spine = small_spine()
    for n, path in enumerate(sorted((root / "images").iterdir())):
        noise = np.random.default_rng(n).integers(-20, 20, spine.image.shape)
        save(path, np.rint(spine.image + noise).astype(np.int16), spine.grid.affine)
    return root


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """Four scans with names renumbered, one of them to validate."""
    table = recipe_table(write_scans(tmp_path / "in"), labels=["L1-L5", "discs"], renumber=True)
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
        assert {ALLOW_DISC} <= set(np.unique(case.allowed))
        assert np.isin(
            case.allowed[case.level > 0],
            (ALLOW_BODY, ALLOW_BODY | ALLOW_POSTERIOR, ALLOW_POSTERIOR, ALLOW_DISC),
        ).all()


def test_values_that_count_from_the_lowest_bone_are_read_case_by_case(tmp_path):
    root = write_set(tmp_path / "in", 2)
    spine = small_spine()
    cut = np.where(np.isin(spine.labels, [VALUES["L5"], VALUES["sacrum"]]), 0, spine.labels)
    save(root / "labels" / "sub02_T2w.nii.gz", cut.astype(np.uint8), spine.grid.affine)
    table = recipe_table(root, labels=["L1-L5"], scheme="spider", validation=0.0)
    prepare_set(prepare_recipe(table), tmp_path / "set")
    whole, without = load_pack(pack_prepared(tmp_path / "set", tmp_path / "packs")[1])
    for level in ("L1", "L2", "L3", "L4"):
        code = LEVELS.index(level) + 1
        np.testing.assert_array_equal(whole.level == code, without.level == code)
    assert not (without.level == LEVELS.index("L5") + 1).any()


def test_the_pack_is_made_again_when_the_set_changes(prepared, tmp_path):
    _, first = pack_prepared(prepared, tmp_path / "packs")
    assert pack_prepared(prepared, tmp_path / "packs")[1] == first
    split = json.loads((prepared / "splits.json").read_text())
    split["train"] = split["train"][:1]
    (prepared / "splits.json").write_text(json.dumps(split))
    _, second = pack_prepared(prepared, tmp_path / "packs")
    assert second != first
    assert len(load_pack(second)) == 1 + len(split["validation"])


def test_masks_of_bodies_alone_are_told_from_whole_vertebrae_case_by_case(tmp_path):
    """By the recipe that prepared them; what is not bodies alone has no arch in its background."""
    source = recipe_table(write_scans(tmp_path / "in", 2))["sources"][0]
    spine = small_spine()
    (tmp_path / "in/labels/sub01_T2w.nii.gz").unlink()
    save(tmp_path / "in/labels/sub01_T2w_bodies.nii.gz", spine.labels, spine.grid.affine)
    table = {"name": "set", "sources": [source], "validation": 0.0}
    prepare_set(prepare_recipe(table), tmp_path / "set")
    _, whole = pack_prepared(tmp_path / "set", tmp_path / "packs")
    arches = [bool((case.allowed == ALLOW_POSTERIOR).any()) for case in load_pack(whole)]
    assert arches == [True, True]

    source["bodies_only"] = ["*_bodies"]
    report = prepare_set(prepare_recipe(table), tmp_path / "set")
    assert (report["counts"]["done"], report["counts"]["skipped"]) == (1, 1)
    _, mixed = pack_prepared(tmp_path / "set", tmp_path / "packs")
    bodies, other = load_pack(mixed)
    assert mixed != whole
    assert not (bodies.allowed == ALLOW_POSTERIOR).any()
    assert (bodies.allowed == ALLOW_BACKGROUND | ALLOW_POSTERIOR).any()
    np.testing.assert_array_equal(other.allowed, load_pack(whole)[1].allowed)
    _, said = pack_prepared(tmp_path / "set", tmp_path / "packs", bodies_only=True)
    for case in load_pack(said):
        np.testing.assert_array_equal(case.allowed, bodies.allowed)


def test_patients_whom_two_sets_share_do_not_train_where_one_has_them_validate(
    prepared, tmp_path, monkeypatch
):
    monkeypatch.delenv("SPINEKIT_REAL_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    (validating,) = json.loads((prepared / "splits.json").read_text())["validation"]
    (tmp_path / "in").rename(tmp_path / "copy")
    table = recipe_table(tmp_path / "copy", labels=["L4"], validation=0.0)
    prepare_set(prepare_recipe(table | {"name": "other"}), tmp_path / "again")
    sets = json.dumps([str(prepared), str(tmp_path / "again")])
    path = write_recipe(tmp_path, "both", f"real = false\nsets = {sets}\n")
    said: list[str] = []
    model = train(path, work=tmp_path / "work", device="cpu", report=said.append)
    assert load_model(model, threads=1).spec.facts["trained_on"] == {"in": 3, "copy": 3}
    assert any(line.startswith("other: 1 of 4 scans do not train") for line in said)
    assert validating in {case.name for case in load_pack(
        pack_prepared(tmp_path / "again", tmp_path / "work/packs")[1])}  # fmt: skip


def test_training_on_a_prepared_set_goes_on_from_a_model(prepared, tmp_path, monkeypatch):
    monkeypatch.delenv("SPINEKIT_REAL_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    more = f"real = false\nsets = [{json.dumps(str(prepared))}]\n"
    work = tmp_path / "work"
    first = train(write_recipe(tmp_path, "one", more), work=work, device="cpu", report=str)
    (tmp_path / "one.onnx").write_bytes(first.read_bytes())
    path = write_recipe(tmp_path, "two", f'init = "one.onnx"\n{more}')
    facts = load_model(train(path, work=work, device="cpu", report=str), threads=1).spec.facts
    assert facts["trained_on"] == {"in": 3}  # the folder they were prepared from
    assert facts["start"]["trained_on"] == {"in": 3}
    assert facts["found"] == {open_prepared(prepared).name: 4}


def prepare_merged(tmp_path: Path) -> Path:
    """Scans of chu and of another set, two contrasts of each patient, as one set called real."""
    table = recipe_table(write_set(tmp_path / "in", patients=3, contrasts=("T1w", "T2w")))
    (source,) = table["sources"]
    rows = [
        {"name": f"sub{n:02d}_{kind}", "dataset": dataset, "subject": subject}
        for kind in ("T1w", "T2w")
        for n, (dataset, subject) in enumerate(
            [("chu", "chu01"), ("spider", IN_FOLD), ("spider", OUT_OF_FOLD)], start=1
        )
    ]
    (tmp_path / "in" / "index.json").write_text(json.dumps(rows))
    source["settings"] = {"values": "spinekit", "table": "index.json"}
    prepare_set(prepare_recipe(table | {"name": "real", "validation": 0.0}), tmp_path / "real")
    return tmp_path / "real"


USUAL = ("T12", "L1", "L2", "L3", "L4", "L5")
UNUSUAL = {
    "L6": (*USUAL, "L6"),
    "T13": ("T12", "T13", *USUAL[1:]),
    "four-lumbar": USUAL[:-1],
    "none": USUAL,
}
README = ("L1-L5", "L1-L2..L5-S1")


def pack_of(tmp_path: Path, names: tuple[str, ...], name: str, **options: object) -> PackedCase:
    """One scan of a column, prepared and packed."""
    spine = small_spine(names)
    root = tmp_path / "in"
    save(root / "images/sub01_T2w.nii.gz", spine.image.astype(np.int16), spine.grid.affine)
    save(root / "labels/sub01_T2w.nii.gz", spine.labels, spine.grid.affine)
    table = recipe_table(root, validation=0.0, **options)
    prepare_set(prepare_recipe(table), tmp_path / name)
    case, *_ = load_pack(pack_prepared(tmp_path / name, tmp_path / "packs")[1])
    return case


def check_against(whole: PackedCase, chosen: PackedCase) -> None:
    """What was chosen of a map says nothing that the whole map does not say too."""
    assert (whole.allowed & chosen.allowed).all()
    both = (whole.level > 0) & (chosen.level > 0)
    assert both.any()
    np.testing.assert_array_equal(whole.level[both], chosen.level[both])


@pytest.mark.parametrize("labels", [README, ("T9-L5", "discs"), ("discs",), ("L5-S1",)])
@pytest.mark.parametrize("column", UNUSUAL)
def test_structures_that_were_not_chosen_are_never_taught_as_background(tmp_path, column, labels):
    whole = pack_of(tmp_path, UNUSUAL[column], "whole")
    chosen = pack_of(tmp_path, UNUSUAL[column], "chosen", labels=list(labels))
    check_against(whole, chosen)


@pytest.mark.parametrize("column", UNUSUAL)
def test_structures_that_a_scheme_cannot_say_are_never_taught_as_background(tmp_path, column):
    whole = pack_of(tmp_path, UNUSUAL[column], "whole")
    check_against(whole, pack_of(tmp_path, UNUSUAL[column], "other", scheme="totalsegmentator"))


def test_crops_know_the_whole_column(tmp_path):
    pack_of(tmp_path, UNUSUAL["L6"], "set", labels=list(README), crops=1, crop_vertebrae=[2, 2])
    crop = next(p for p in open_prepared(tmp_path / "set").pairs if "crop" in p.name)
    assert {"L6", "L5-L6", "sacrum"} <= crop.shown


def test_a_mask_that_lies_elsewhere_than_its_image_is_refused(prepared, tmp_path):
    path = next((prepared / "labels").iterdir())
    image = nib.load(path)
    moved = image.affine.copy()
    moved[2, 3] += 2.0
    save(path, np.asarray(image.dataobj), moved)
    with pytest.raises(InputError, match=rf"{path.name}: lies on another grid than") as caught:
        pack_prepared(prepared, tmp_path / "packs")
    assert caught.value.code == "grid-mismatch"


def test_who_tests_in_one_set_does_not_train_in_another(tmp_path, monkeypatch):
    monkeypatch.delenv("SPINEKIT_REAL_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    root = write_scans(tmp_path / "in", 8)
    for name, more in (("a", {"test": 0.25, "validation": 0.0}), ("b", {"validation": 0.0})):
        prepare_set(prepare_recipe(recipe_table(root) | {"name": name} | more), tmp_path / name)
    testing = patients_who_test([tmp_path / "a", tmp_path / "b"])
    tested = json.loads((tmp_path / "a/splits.json").read_text())["test"]
    assert testing == {("in", name.split("_")[0]) for name in tested}
    assert len(testing) == 2
    sets = json.dumps([str(tmp_path / "a"), str(tmp_path / "b")])
    said: list[str] = []
    path = write_recipe(tmp_path, "both", f"real = false\nsets = {sets}\n")
    model = train(path, work=tmp_path / "work", device="cpu", report=said.append)
    assert load_model(model, threads=1).spec.facts["trained_on"] == {"in": 12}
    assert any(line.startswith("b: 2 of 8 scans do not train") for line in said)


def test_who_tests_is_known_under_another_name_by_the_file(tmp_path):
    root = write_scans(tmp_path / "in", 4)
    (tmp_path / "other/images").mkdir(parents=True)
    (tmp_path / "other/labels").mkdir()
    for n in (1, 2, 3, 4):
        for kind in ("images", "labels"):
            copy = tmp_path / "other" / kind / f"sub{n + 10}_T2w.nii.gz"
            copy.write_bytes((root / kind / f"sub{n:02d}_T2w.nii.gz").read_bytes())
    for name, part in (("in", "test"), ("other", "validation")):
        table = recipe_table(tmp_path / name) | {"validation": 0.0, "name": name} | {part: 0.25}
        prepare_set(prepare_recipe(table), tmp_path / "sets" / name)
    ((_, subject),) = patients_who_test([tmp_path / "sets/in"])
    both = patients_who_test([tmp_path / "sets/in", tmp_path / "sets/other"])
    assert both == {("in", subject), ("other", f"sub{int(subject[3:]) + 10}")}


def test_a_set_called_phantom_is_refused_by_that(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = recipe_table(write_set(tmp_path / "in", 1), validation=0.0) | {"name": "phantom"}
    prepare_set(prepare_recipe(table), tmp_path / "set")
    path = write_recipe(
        tmp_path, "x", f"real = false\nsets = [{json.dumps(str(tmp_path / 'set'))}]\n"
    )
    with pytest.raises(RecipeError, match="is called phantom, which only the phantoms are"):
        train(path, work=tmp_path / "work", device="cpu", report=str)


SUBJECTS = [f"spider{n:02d}" for n in range(30)]
IN_FOLD = next(subject for subject in SUBJECTS if subject_fold(subject) == 0)
OUT_OF_FOLD = next(subject for subject in SUBJECTS if subject_fold(subject) != 0)


@pytest.mark.parametrize(
    ("hold_out", "trained_on"),
    [
        ("H1", {"sub02_T1w", "sub02_T2w", "sub03_T1w", "sub03_T2w"}),
        ("H3", {"sub01_T1w", "sub01_T2w"}),
        ("within", {"sub03_T1w", "sub03_T2w"}),
    ],
)
def test_hold_outs_hold_for_what_a_prepared_set_is_made_of(tmp_path, hold_out, trained_on):
    assert subject_fold("chu01") == 0
    name, path = pack_prepared(prepare_merged(tmp_path), tmp_path / "packs")
    sides = split_cases({name: load_pack(path)}, Recipe(hold_out=hold_out))
    assert {case.name for side in sides for case in side.get(name, [])} == trained_on


def test_a_model_tells_the_sets_behind_a_prepared_one_and_is_no_start_for_a_hold_out(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    more = f"real = false\nsets = [{json.dumps(str(prepare_merged(tmp_path)))}]\n"
    work = tmp_path / "work"
    model = train(write_recipe(tmp_path, "mine", more), work=work, device="cpu", report=str)
    assert load_model(model, threads=1).spec.facts["trained_on"] == {"chu": 2, "spider": 4}
    path = write_recipe(tmp_path, "next", f'{more}hold_out = "H1"\ninit = "mine"\n')
    with pytest.raises(RecipeError, match="mine has seen it"):
        train(path, work=work, device="cpu", report=str)


def test_a_set_that_only_chose_the_weights_is_told_too(cases):
    valid = {"real": [dataclasses.replace(cases[0], source="chu")]}
    facts = describe(valid, {"blocks": cases[1:]}, valid, "2")
    assert facts["trained_on"] == {"blocks": 5, "chu": 0}


def test_patients_who_share_a_scan_are_one_patient(tmp_path):
    root = write_set(tmp_path / "in", patients=2)
    for kind in ("images", "labels"):
        (root / kind / "sub02_T2w.nii.gz").write_bytes(
            (root / kind / "sub01_T2w.nii.gz").read_bytes()
        )
    prepare_set(prepare_recipe(recipe_table(root) | {"validation": 0.0}), tmp_path / "set")
    assert [pair.subject for pair in open_prepared(tmp_path / "set").pairs] == ["sub01", "sub01"]


@pytest.mark.parametrize(
    ("file", "key", "read"),
    [
        *(("splits.json", key, open_prepared) for key in ("pairs", "train")),
        *(
            ("splits.json", key, lambda path: patients_who_test([path]))
            for key in ("pairs", "test")
        ),
        *(
            ("cases/sub01_T2w.json", key, open_prepared)
            for key in ("shown", "bodies_only", "outputs")
        ),
    ],
)
def test_a_set_that_lacks_what_is_read_of_it_is_refused(prepared, file, key, read):
    path = prepared / file
    told = json.loads(path.read_text())
    del told[key]
    path.write_text(json.dumps(told))
    with pytest.raises(InputError, match=rf"KeyError: '{key}'") as caught:
        read(prepared)
    assert caught.value.code == "not-prepared"


def test_a_pair_without_a_record_is_refused(prepared):
    (prepared / "cases/sub01_T2w.json").unlink()
    with pytest.raises(InputError, match="KeyError: 'sub01_T2w'"):
        open_prepared(prepared)


def test_two_sets_of_one_name_are_told_apart_before_training(prepared, tmp_path):
    twice = json.dumps([str(prepared)] * 2)
    path = write_recipe(tmp_path, "twice", f"real = false\nsets = {twice}\n")
    with pytest.raises(RecipeError, match="two sets are called"):
        train(path, work=tmp_path / "work", device="cpu", report=str)


def test_a_set_of_which_no_scan_trains_is_named(prepared, tmp_path):
    splits = prepared / "splits.json"
    table = json.loads(splits.read_text())
    table |= {part: [] for part in ("train", "validation", "test")}
    splits.write_text(json.dumps(table))
    recipe = Recipe(name="x", phantoms=0, real=False, sets=(str(prepared),))
    with pytest.raises(RecipeError, match="has a mask, so none trains"):
        gather(recipe, tmp_path / "packs", processes=1, report=str)


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

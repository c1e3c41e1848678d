"""From a recipe to trained weights: find the data, make the packs, train, export.

This is the one page of the training flow; each step is a module of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spinekit.core.errors import DependencyError, RecipeError, UsageError
from spinekit.datasets.prepared import patients_who_test
from spinekit.datasets.real import real_data_folder
from spinekit.io.locks import alone
from spinekit.loaders.pack import PackedCase, load_pack
from spinekit.training.facts import count_sources, describe
from spinekit.training.packing import find_packed, pack_phantoms, pack_prepared, pack_real
from spinekit.training.patients import (
    find_sides,
    join_by_images,
    unite_patients,
)
from spinekit.training.recipe import Recipe, change_recipe, read_recipe

if TYPE_CHECKING:
    import torch

    from spinekit.training.start import Start

Report = Callable[[str], None]


def print_line(line: str) -> None:
    """Print a line at once, also into a file that somebody is watching."""
    print(line, flush=True)


def train(
    recipe_path: Path,
    *,
    work: Path = Path(".spinekit"),
    device: str = "auto",
    processes: int = 2,
    overrides: dict[str, Any] | None = None,
    report: Report = print_line,
) -> Path:
    """Train a recipe to its end and export `model.onnx`.

    A killed run goes on where its last checkpoint stands; who finds another process at the same
    run waits for its end. A recipe that starts or learns from another one has that trained first,
    unless its run is complete.

    Args:
        recipe_path: TOML file.
        work: Folder of packs and runs.
        device: "auto", "cpu" or "cuda".
        processes: For drawing phantoms.
        overrides: Recipe values that win over the file's.
        report: Called with one line at a time.

    Returns:
        The exported model file.

    Raises:
        DependencyError: torch is not installed.
        UsageError: There is no such device, or the work folder is a file.
        RecipeError: The recipe is wrong or there is nothing to train on.
        ModelError: The model file it starts from cannot be read.
    """
    try:
        import torch
    except ImportError as error:
        raise DependencyError(
            "torch-missing",
            "training needs torch",
            "pip install '.[train]' -c constraints.txt",
        ) from error
    from spinekit.training.precision import choose_device, describe_device
    from spinekit.training.resuming import check_recipes_needed

    source = f"{recipe_path} and --set" if overrides else str(recipe_path)
    recipe = change_recipe(read_recipe(recipe_path), overrides or {}, source=source)
    chosen = choose_device(device)
    _check_folder(work)
    check_recipes_needed(recipe, recipe_path.parent, work / "runs")
    report(f"{recipe.name}: on {describe_device(device, chosen)}, torch {torch.__version__}")
    start, teacher = (
        find_weights(
            key, recipe, recipe_path, work, device=device, processes=processes, report=report
        )
        for key in ("init", "teacher")
    )
    folder = work / "runs" / recipe.name
    with _held(folder, report):
        return _train_run(recipe, work, chosen, start, teacher, processes=processes, report=report)


def _check_folder(work: Path) -> None:
    """Refuse a work folder that can be none, before anything is drawn."""
    there = next((path for path in (work, *work.absolute().parents) if path.exists()), work)
    if there.exists() and not there.is_dir():
        raise UsageError("out-is-file", f"--work {work}: {there} is a file", "name a folder")


def _train_run(
    recipe: Recipe,
    work: Path,
    device: torch.device,
    start: Start | None,
    teacher: Start | None,
    *,
    processes: int,
    report: Report,
) -> Path:
    """Train one run whose start and teacher are there; returns its model file."""
    import torch

    from spinekit.training.batches import held_out_cases, index_sets, keep_apart, split_cases
    from spinekit.training.export import export_checkpoint, is_exported
    from spinekit.training.loop import Trainer
    from spinekit.training.selftraining import fill_sets
    from spinekit.training.start import check_origins

    sets = gather(recipe, work / "packs", processes=processes, report=report)
    held_out = held_out_cases(sets, recipe)
    tell_held_out(recipe, sets, held_out, report=report)
    testing = patients_who_test(Path(place).expanduser() for place in recipe.sets)
    train_sets, valid_sets = keep_apart(
        *split_cases(sets, recipe), held_out=held_out, testing=testing, report=report
    )
    check_weights(recipe, sets, train_sets, report=report)
    valid_sets = choose_validation(recipe, train_sets, valid_sets, report=report)
    sides = find_sides(sets, join_by_images([sets], held_out, testing), train_sets, valid_sets)
    origins = {role: of for role, of in (("start", start), ("teacher", teacher)) if of is not None}
    check_origins(recipe, origins, sides, count_sources(held_out), report=report)
    if teacher is not None:
        train_sets = fill_sets(train_sets, teacher, work / "packs", device=device, report=report)
    facts = describe(sets, train_sets, valid_sets, torch.__version__)
    facts |= {role: weights.facts for role, weights in origins.items()}
    facts["patients"] = unite_patients(facts, *(weights.told for weights in origins.values()))
    folder = work / "runs" / recipe.name
    trainer = Trainer(
        recipe,
        index_sets(train_sets),
        index_sets(valid_sets),
        folder,
        device=device,
        facts=facts,
        report=report,
    )
    trainer.start(start, sides)
    best, model = trainer.run(), folder / "model.onnx"
    if model.is_file() and is_exported(best, model):
        report(f"{model} holds the best weights and stays as it is")
        return model
    return export_checkpoint(best, model, report=report)


def tell_held_out(
    recipe: Recipe,
    sets: dict[str, list[PackedCase]],
    held_out: dict[str, list[PackedCase]],
    *,
    report: Report,
) -> None:
    """Say how many scans of each set are held out, and where that is none."""
    if not recipe.hold_out:
        return
    there = count_sources({name: cases for name, cases in sets.items() if name != "phantom"})
    out = count_sources(held_out)
    for name, count in there.items():
        if out[name] or recipe.hold_out == "within":
            report(f"{recipe.hold_out} holds out {out[name]} of {count} scans of {name}")
    if not out:
        report(f"warning: {recipe.hold_out} holds out no scan at hand")


def _held(folder: Path, report: Report) -> AbstractContextManager[None]:
    """Keep other processes out of a run's folder, or wait for the one that is at it."""
    return alone(folder, lambda: report(f"another process trains {folder}: waiting for its end"))


def find_weights(
    key: str,
    recipe: Recipe,
    path: Path,
    work: Path,
    *,
    device: str,
    processes: int,
    report: Report,
) -> Start | None:
    """A recipe's `init` or `teacher`: a model file, or a run that is trained now if it is missing.

    None where the recipe has no such `key`.

    Raises:
        RecipeError: They have seen what the recipe holds out, have no recipe, or one that is not
            what the run was trained by.
        ModelError: The file or the run's checkpoint cannot be read.
    """
    from spinekit.training.resuming import check_ancestor
    from spinekit.training.start import check_leak, is_model, start_from_model, start_from_run

    name = recipe.init if key == "init" else recipe.teacher
    role = "start" if key == "init" else "teacher"
    if not name:
        return None
    if is_model(name):
        return start_from_model(recipe, name, path.parent, role=role)
    folder = work / "runs" / name
    with _held(folder, report):
        complete = (folder / "model.onnx").is_file()
    if not complete:
        before_path = path.with_name(f"{name}.toml")
        before = read_recipe(before_path)
        check_leak(recipe, before.name, before, {}, role=role)
        report(f"{recipe.name} needs {name}: training that first")
        train(before_path, work=work, device=device, processes=processes, report=report)
    start = start_from_run(recipe, folder, role=role)
    check_ancestor(folder, path.parent, report=report)
    return start


def gather(
    recipe: Recipe, packs: Path, *, processes: int, report: Report
) -> dict[str, list[PackedCase]]:
    """Every set the recipe asks for, packed where needed and loaded; says what is absent.

    Raises:
        RecipeError: Nothing is left to train on, or two sets bear one name.
        InputError: A prepared set or the real scans cannot be read.
    """
    # What a person named comes first: a wrong folder shows before phantoms are drawn for minutes.
    prepared = _gather_prepared(recipe, packs, report=report)
    found = _find_real(packs, recipe.working_mm, report=report) if recipe.real else {}
    if both := sorted(found.keys() & prepared.keys()):
        raise _twice(recipe, both[0])
    if "phantom" in found:
        raise _reserved(recipe, str(found["phantom"]))
    sets: dict[str, list[PackedCase]] = {}
    if recipe.phantoms:
        paths = pack_phantoms(
            packs,
            recipe.phantoms,
            recipe.seed,
            views=recipe.phantom_views,
            processes=processes,
            report=report,
        )
        sets["phantom"] = [case for path in paths for case in load_pack(path)]
    sets.update({name: load_pack(path) for name, path in found.items()})
    sets.update(prepared)
    if not sets:
        raise RecipeError(
            "no-data",
            f"recipe {recipe.name}: no phantoms or sets asked for and no real scans found",
            "name prepared sets, set SPINEKIT_REAL_DATA, or ask for phantoms",
        )
    return sets


def _find_real(packs: Path, working_mm: float, *, report: Report) -> dict[str, Path]:
    """Set name → pack of the real scans at hand, or packed before; empty where there are none.

    Raises:
        InputError: Their index, a scan or a mask cannot be read.
    """
    folder = real_data_folder()
    if folder is not None:
        found = pack_real(folder, packs, working_mm=working_mm, report=report)
    else:
        found = find_packed(packs)
        if found:
            report(f"real scans from {packs}, packed before: {', '.join(found)}")
    if not found:
        report("no real scans found: training on phantoms alone (set SPINEKIT_REAL_DATA)")
    return found


def _gather_prepared(recipe: Recipe, packs: Path, *, report: Report) -> dict[str, list[PackedCase]]:
    """The prepared sets by name.

    Raises:
        RecipeError: Two bear one name, one bears the phantoms', or no scan of one trains.
        InputError: One cannot be read.
    """
    sets: dict[str, list[PackedCase]] = {}
    for place in recipe.sets:
        name, path = pack_prepared(
            Path(place).expanduser(),
            packs,
            bodies_only=recipe.bodies_only,
            working_mm=recipe.working_mm,
            report=report,
        )
        if name == "phantom":
            raise _reserved(recipe, place)
        if name in sets:
            raise _twice(recipe, name)
        sets[name] = load_pack(path)
        if not sets[name]:
            raise RecipeError(
                "no-data",
                f"recipe {recipe.name}: no scan of {place} has a mask, so none trains",
                "see which masks `spinekit data prepare` found, or leave it out of `sets`",
            )
    return sets


def _reserved(recipe: Recipe, place: str) -> RecipeError:
    return RecipeError(
        "set-twice",
        f"recipe {recipe.name}: the set in {place} is called phantom, which only the phantoms are "
        "that training draws itself",
        "give it another `name` when preparing it",
    )


def _twice(recipe: Recipe, name: str) -> RecipeError:
    return RecipeError(
        "set-twice",
        f"recipe {recipe.name}: two sets are called {name}",
        "give one another `name` when preparing it",
    )


def check_weights(
    recipe: Recipe,
    sets: dict[str, list[PackedCase]],
    train: dict[str, list[PackedCase]],
    *,
    report: Report,
) -> None:
    """Tell which `set_weights` are of no set at hand.

    Raises:
        RecipeError: They leave no real set that trains any weight.
    """
    real = [name for name in sets if name != "phantom"]
    unknown = sorted(set(recipe.set_weights) - set(real))
    if unknown:
        there = ", ".join(real) or "none"
        report(f"set_weights: no set at hand is called {' or '.join(unknown)}; there are: {there}")
    weights = [recipe.set_weights.get(name, 1.0) for name in train if name != "phantom"]
    if weights and not any(weights):
        raise RecipeError(
            "no-data",
            f"recipe {recipe.name}: its set_weights leave no real scan to draw",
            "give one of the sets that train a weight above 0, or real = false",
        )


def choose_validation(
    recipe: Recipe,
    train: dict[str, list[PackedCase]],
    valid: dict[str, list[PackedCase]],
    *,
    report: Report,
) -> dict[str, list[PackedCase]]:
    """The sets that choose the weights: with real scans, where real scans are trained on.

    Where patients are too few for one to be spared, those that are trained on choose the weights.

    Raises:
        RecipeError: What is held out, or validates, leaves nothing to train on.
    """
    if not train:
        raise RecipeError(
            "no-data",
            f"recipe {recipe.name}: what it holds out or validates with leaves nothing to train on",
            "name other sets, or ask for phantoms",
        )
    real = {name: cases for name, cases in train.items() if name != "phantom"}
    if valid and (set(valid) - {"phantom"} or not real):
        return valid
    names = ", ".join(real or train)
    report(f"too few patients to spare one: the scans of {names} that train choose weights too")
    return {**valid, **(real or train)}

"""`spinekit data prepare RECIPE OUT`: a recipe in, a checked training set out.

It knows options and what to print; what is done to a case, it does not know.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

EPILOG = """\
RECIPE is a TOML file (see recipes/data/), or the folder of a set. Options win over the recipe:

  spinekit data prepare recipes/data/lumbar9.toml OUT
  spinekit data prepare FOLDER OUT --labels L1-L5,L1-L2..L5-S1 --renumber
  spinekit data prepare FOLDER OUT --values totalspineseg --spacing 1 1 1 --export nnunet-101

OUT gets images/, labels/, cases/ (a record each), recipe.json, labels.json, splits.json,
report.json and .txt. Nothing in the sources is changed. Run again, only what is missing
or changed is done."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the step."""
    from spinekit.apps.options import add_settings, positive

    parser.epilog = EPILOG
    parser.add_argument("recipe", metavar="RECIPE", type=Path, help="TOML file, or a set's folder")
    parser.add_argument("out", metavar="OUT", type=Path, help="folder for the prepared set")
    parser.add_argument(
        "--dataset", metavar="NAME", help="what lies in a folder (default: recognised)"
    )
    parser.add_argument("--values", metavar="WORD", help="meaning of its masks: a scheme or a name")
    parser.add_argument(
        "--subject",
        metavar="REGEX",
        help="what in a name is the patient, such as '^[^_]+': all scans of one stay together",
    )
    parser.add_argument(
        "--labels",
        metavar="LIST",
        help="structures to keep, such as L1-L5,L1-L2..L5-S1 (default: all)",
    )
    parser.add_argument("--renumber", action="store_true", help="values 1, 2, … in that order")
    parser.add_argument("--scheme", metavar="NAME", help="values to write")
    parser.add_argument("--spacing", metavar="MM", type=float, nargs=3, help="along R, A and S")
    parser.add_argument("--size", metavar="N", type=int, nargs=3, help="voxels along R, A and S")
    parser.add_argument(
        "--fix-axes",
        metavar="WORD",
        help="who decides where headers are wrong: labels, doctor, a doctor.json, or letters: "
        "where i, j and k point",
    )
    parser.add_argument(
        "--export", metavar="LAYOUT", action="append", help="layout to write besides; repeatable"
    )
    parser.add_argument("--noaug", action="store_true", help="exports without changed copies")
    add_settings(parser, "a recipe value that wins over the file's, in TOML")
    parser.add_argument(
        "--jobs", metavar="N", type=positive, default=1, help="cases at a time (default 1)"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="redo cases made with other options"
    )
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(args: argparse.Namespace) -> int:
    """Prepare the set and print its report."""
    import json

    from tqdm import tqdm

    from spinekit.curation.report import doubt_values, has_pairs, render_report
    from spinekit.curation.run import Outcome, prepare_set

    recipe = resolve(args)
    silent = args.quiet or args.json or not sys.stderr.isatty()
    with tqdm(unit="case", leave=False, disable=silent) as bar:

        def progress(outcome: Outcome) -> None:
            bar.update(1)
            if outcome.status == "failed":
                text = f"spinekit: error: {outcome.name}: {outcome.message}"
                tqdm.write(text, file=sys.stderr)

        def planned(count: int) -> None:
            bar.reset(count)

        report = prepare_set(
            recipe,
            args.out,
            processes=args.jobs,
            overwrite=args.overwrite,
            progress=progress,
            planned=planned,
        )
    if args.json:
        print(json.dumps(report, indent=2, ensure_ascii=False))
    elif not args.quiet:
        print(render_report(report))
    for text in () if args.quiet else (*report["doubts"], *doubt_values(report)):
        print(f"spinekit: warning: {text}", file=sys.stderr)
    if not has_pairs(report):
        text = f"{args.out}: no case to train or test on; its report.txt says why"
        print(f"spinekit: error: {text}", file=sys.stderr)
        return 1
    return 1 if report["counts"]["failed"] else 0


def resolve(args: argparse.Namespace) -> Any:
    """The recipe with the options that win over it.

    Args:
        args: What the step was given.

    Raises:
        RecipeError: The recipe or an option is wrong.
        UsageError: The folder is no set that is known, or a recipe is given a dataset.
    """
    import dataclasses

    from spinekit.core.errors import UsageError
    from spinekit.core.settings import parse_pairs
    from spinekit.curation.recipe import prepare_recipe, read_prepare_recipe
    from spinekit.datasets.registry import entry_named, recognise

    changes = parse_pairs(args.set)
    if args.labels is not None:
        changes["labels"] = args.labels.split(",")
    for option, key in (("spacing", "spacing_mm"), ("size", "size"), ("export", "exports")):
        if getattr(args, option) is not None:
            changes[key] = getattr(args, option)
    if args.scheme is not None:
        changes["scheme"] = args.scheme
    changes |= {key: True for key in ("renumber", "noaug") if getattr(args, key)}
    given = {"values": args.values, "subject": args.subject}
    settings = {key: value for key, value in given.items() if value is not None}
    if args.recipe.is_dir():
        dataset = args.dataset or recognise(args.recipe)
        if dataset is None:
            raise UsageError(
                "unknown-dataset",
                f"{args.recipe} looks like no set that is known",
                "say what it is: --dataset NAME",
            )
        if args.dataset is None:
            entry_named(dataset).check(settings, otherwise="--dataset folder")
        source = {"root": str(args.recipe), "dataset": dataset, "settings": settings}
        recipe = prepare_recipe({"name": args.out.resolve().name, "sources": [source], **changes})
    else:
        recipe = read_prepare_recipe(args.recipe, changes)
        if args.dataset is not None:
            raise UsageError(
                "dataset-of-recipe",
                f"--dataset {args.dataset}: {args.recipe} is a recipe, whose sources name theirs",
                "write it there",
            )
        sources = [
            dataclasses.replace(s, settings={**s.settings, **settings}) for s in recipe.sources
        ]
        recipe = dataclasses.replace(recipe, sources=tuple(sources))
    if args.fix_axes is not None:
        sources = [dataclasses.replace(s, fix_axes=args.fix_axes) for s in recipe.sources]
        recipe = dataclasses.replace(recipe, sources=tuple(sources))
    return prepare_recipe(recipe.to_dict())

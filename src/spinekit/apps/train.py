"""`spinekit train RECIPE`: hands a recipe to the training flow.

It knows no torch; the flow says what to install when that is missing.
"""

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    from spinekit.apps.options import add_settings

    parser.add_argument("recipe", metavar="RECIPE", type=Path, help="a TOML file")
    parser.add_argument(
        "--work",
        metavar="FOLDER",
        type=Path,
        default=Path(".spinekit"),
        help="packed data and checkpoints (default .spinekit); a killed run goes on from there",
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    add_settings(parser, "a recipe value that wins over the file's, in TOML")


def run(args: argparse.Namespace) -> int:
    """Train to the end and print where the model is."""
    from spinekit.core.settings import parse_pairs
    from spinekit.training.run import train

    model = train(args.recipe, work=args.work, device=args.device, overrides=parse_pairs(args.set))
    print(model)
    return 0

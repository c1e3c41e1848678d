"""`spinekit phantom OUT -n N --seed S`: scans with known truth, drawn from a seed.

It knows file names and options; how a spine is drawn, it does not know.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

EPILOG = """\
OUT gets images/<name>.nii.gz, labels/<name>_dseg.nii.gz and _parts.nii.gz, and
truth/<name>.json (levels, anomalies, sizes in mm), where <name> holds the seed. So

  spinekit phantom OUT -n 5 --seed 1
  spinekit segment OUT/images RESULTS
  spinekit evaluate RESULTS OUT/labels

measures a model on phantoms. The same seed and options draw the same scan."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    from spinekit.apps.options import positive

    parser.epilog = EPILOG
    parser.add_argument("out", metavar="OUT", type=Path, help="folder for the scans")
    parser.add_argument("-n", metavar="N", type=positive, default=1, help="how many (default 1)")
    parser.add_argument("--seed", metavar="S", type=int, default=0, help="of the first (default 0)")
    parser.add_argument(
        "--fov",
        choices=("random", "lumbar", "thoracolumbar", "cervical", "whole"),
        default="random",
        help="what is in view",
    )
    parser.add_argument(
        "--contrast",
        choices=("random", "T1", "T2", "STIR", "water", "fat"),
        default="random",
        help="how tissues look; random also draws contrasts no scanner has",
    )
    parser.add_argument(
        "--plane", choices=("sagittal", "axial", "isotropic"), default="sagittal", help="of slices"
    )
    parser.add_argument(
        "--spacing", metavar="MM", type=float, nargs=3, help="voxel size along R, A and S"
    )
    parser.add_argument(
        "--anomaly",
        metavar="NAME",
        action="append",
        help="L6, four-lumbar, scoliosis, …; may be repeated; `none` draws an ordinary spine "
        "(default: as often as in people)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace existing scans")
    parser.add_argument("--quiet", action="store_true", help="print errors only")


def run(args: argparse.Namespace) -> int:
    """Draw the scans."""
    from tqdm import tqdm

    if args.seed < 0:
        from spinekit.core.errors import UsageError

        raise UsageError("negative-seed", f"seed {args.seed} is negative", "use 0 or more")
    options = {
        "fov": args.fov,
        "contrast": args.contrast,
        "plane": args.plane,
        "spacing_mm": None if args.spacing is None else tuple(args.spacing),
        "anomalies": _anomalies(args.anomaly),
    }
    silent = args.quiet or not sys.stderr.isatty()
    for seed in tqdm(range(args.seed, args.seed + args.n), unit="scan", disable=silent):
        if args.overwrite or not _paths(args.out, seed)["truth"].exists():
            draw_one(args.out, seed, options)
    if not args.quiet:
        print(f"{args.n} phantoms in {args.out / 'images'}, their truth beside it")
    return 0


def draw_one(folder: Path, seed: int, options: Mapping[str, Any] | None = None) -> Path:
    """Draw one phantom and write its files.

    Args:
        folder: Gets `images`, `labels` and `truth`.
        seed: Of everything random.
        options: Of `draw_phantom`; its defaults when None.

    Returns:
        Path of the image.

    Raises:
        UsageError: An option that `draw_phantom` does not know.
        OutputError: A file cannot be written.
    """
    import numpy as np

    from spinekit.core.errors import UsageError
    from spinekit.io.writing import write_image, write_json, write_labels
    from spinekit.synth.phantom import draw_phantom

    try:
        phantom = draw_phantom(seed, **(options or {}))
    except ValueError as error:
        raise UsageError("phantom-option", str(error), "see `spinekit phantom --help`") from error
    paths = _paths(folder, seed)
    for path in paths.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    # Whole numbers, as scanners give them, compress four times better.
    write_image(paths["image"], np.rint(phantom.image * INTENSITY_SCALE), phantom.grid)
    write_labels(paths["dseg"], phantom.labels, phantom.grid)
    write_labels(paths["parts"], phantom.parts, phantom.grid)
    write_json(paths["truth"], phantom.truth)
    return paths["image"]


INTENSITY_SCALE = 16.0
"""Whole numbers of a stored image per unit of the drawn one."""


def _paths(folder: Path, seed: int) -> dict[str, Path]:
    name = f"phantom{seed:05d}"
    return {
        "image": folder / "images" / f"{name}.nii.gz",
        "dseg": folder / "labels" / f"{name}_dseg.nii.gz",
        "parts": folder / "labels" / f"{name}_parts.nii.gz",
        "truth": folder / "truth" / f"{name}.json",
    }


def _anomalies(named: list[str] | None) -> tuple[str, ...] | None:
    if named is None:
        return None
    return tuple(name for name in named if name != "none")

"""`spinekit phantom OUT -n N --seed S`: scans with known truth, drawn from a seed.

It knows file names and options; how a spine is drawn, it does not know.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DEFAULTS: Mapping[str, Any] = {
    "fov": "random",
    "contrast": "random",
    "plane": "sagittal",
    "spacing_mm": None,
    "anomalies": None,
}
"""Options of a phantom."""
SPACING_MM = (0.1, 30.0)
"""Least and greatest size of a voxel along an axis, mm: more than any scanner's."""
LEAST_VOXEL_MM3 = 0.05
"""With smaller voxels (mm³) a whole spine would need many gigabytes."""
INTENSITY_SCALE = 16.0
"""Whole numbers of a stored image per unit of the drawn one."""
EPILOG = """\
OUT gets images/<name>.nii.gz, labels/<name>_dseg.nii.gz and _parts.nii.gz, and
truth/<name>.json (levels, anomalies, sizes in mm), where <name> holds the seed. So

  spinekit phantom OUT -n 5 --seed 900000
  spinekit segment OUT/images RESULTS
  spinekit evaluate RESULTS OUT/labels

measures a model on phantoms that it was not trained on. Take seeds from 900000 to 999999: a recipe
of seed s trains on those of seeds s · 1000000 and up, one for each of its phantoms, mostly 480. So
whole millions are training, such as 5000000 and up for the last round of the embedded model.

The same seed and options draw the same scan, and one that is there stays; one drawn with other
options is replaced only with --overwrite."""


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

    options = {
        "fov": args.fov,
        "contrast": args.contrast,
        "plane": args.plane,
        "spacing_mm": None if args.spacing is None else tuple(args.spacing),
        "anomalies": args.anomaly and tuple(name for name in args.anomaly if name != "none"),
    }
    seeds = range(args.seed, args.seed + args.n)
    _check(args.seed, options)
    todo = [s for s in seeds if args.overwrite or not _is_drawn(args.out, s, options)]
    if todo:
        check_place(args.out)
    silent = args.quiet or not sys.stderr.isatty()
    for seed in tqdm(todo, unit="scan", disable=silent):
        draw_one(args.out, seed, options)
    if not args.quiet:
        before = f" ({args.n - len(todo)} drawn before)" if len(todo) < args.n else ""
        print(f"{args.n} phantoms in {args.out / 'images'}{before}, their truth beside it")
    return 0


def check_place(folder: Path) -> None:
    """Refuse a folder that nothing can be written into, before anything is drawn.

    Args:
        folder: Where to; it may have to be made.

    Raises:
        UsageError: It is a file.
        OutputError: It cannot be written to; nothing could start.
    """
    from spinekit.core.errors import OutputError
    from spinekit.io.staging import check_writable

    try:
        check_writable(folder)
    except OutputError as error:
        error.exit_code = 2
        raise


def draw_one(folder: Path, seed: int, options: Mapping[str, Any]) -> Path:
    """Draw one phantom and write its files; all of them appear, or none.

    Args:
        folder: Gets `images`, `labels` and `truth`.
        seed: Of everything random.
        options: Of `draw_phantom`, those that the command has; its defaults for the others.

    Returns:
        Path of the image.

    Raises:
        UsageError: The seed is negative, an option is unknown, or no voxel can have this size.
        OutputError: A file cannot be written.
    """
    import numpy as np

    from spinekit.core.errors import UsageError
    from spinekit.io.staging import staged
    from spinekit.io.writing import write_image, write_json, write_labels
    from spinekit.synth.phantom import draw_phantom

    options = {**DEFAULTS, **options}
    _check(seed, options)
    try:
        phantom = draw_phantom(seed, **options)
    except ValueError as error:
        raise UsageError("phantom-option", str(error), "see `spinekit phantom --help`") from error
    with staged(folder) as stage:
        paths = _paths(stage, seed)
        # Whole numbers, as scanners give them, compress four times better.
        write_image(paths["image"], np.rint(phantom.image * INTENSITY_SCALE), phantom.grid)
        write_labels(paths["dseg"], phantom.labels, phantom.grid)
        write_labels(paths["parts"], phantom.parts, phantom.grid)
        write_json(paths["truth"], {**phantom.truth, "options": options})
    return _paths(folder, seed)["image"]


def _paths(folder: Path, seed: int) -> dict[str, Path]:
    name = f"phantom{seed:05d}"
    return {
        "image": folder / "images" / f"{name}.nii.gz",
        "dseg": folder / "labels" / f"{name}_dseg.nii.gz",
        "parts": folder / "labels" / f"{name}_parts.nii.gz",
        "truth": folder / "truth" / f"{name}.json",
    }


def _check(seed: int, options: Mapping[str, Any]) -> None:
    """Refuse what cannot be drawn.

    Raises:
        UsageError: The seed is negative, or the voxels make no sense.
    """
    from spinekit.core.errors import UsageError

    if seed < 0:
        raise UsageError("negative-seed", f"seed {seed} is negative", "use 0 or more")
    spacing_mm = options["spacing_mm"]
    if spacing_mm is None:
        return
    least, greatest = SPACING_MM
    told = f"voxels of {' × '.join(f'{size:g}' for size in spacing_mm)} mm"
    if not all(least <= size <= greatest for size in spacing_mm):
        remedy = f"give three sizes of {least:g} to {greatest:g} mm"
        raise UsageError("phantom-option", f"{told} cannot be drawn", remedy)
    if math.prod(spacing_mm) < LEAST_VOXEL_MM3:
        text = f"{told} are smaller than {LEAST_VOXEL_MM3:g} mm³, which makes the scan too large"
        raise UsageError("phantom-option", text, "give larger ones")


def _is_drawn(folder: Path, seed: int, options: Mapping[str, Any]) -> bool:
    """Whether all files of a phantom are there as they would be drawn.

    Raises:
        UsageError: Files are there that drawing would replace by something else.
    """
    from spinekit.core.errors import UsageError

    paths = _paths(folder, seed)
    there = [path for path in paths.values() if os.path.exists(path)]
    if not there:
        return False
    remedy = "add --overwrite, or choose another OUT"
    try:
        drawn = dict(json.loads(paths["truth"].read_bytes())["options"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        text = f"{there[0]} is there, and nothing says with which options it was drawn"
        raise UsageError("results-exist", text, remedy) from error
    if drawn != json.loads(json.dumps(options)):
        text = f"{paths['truth']} was drawn with other options"
        raise UsageError("other-options", text, remedy)
    return len(there) == len(paths)

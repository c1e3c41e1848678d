"""`spinekit data get`: a set brought into a folder, by download, mirror or files one has.

It shows progress and says what to do with a set that is given out on request. It is the only
command that opens a network connection, and only when it is run.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spinekit.datasets.fetching import Progress


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("name", metavar="NAME", help="one of `spinekit data list`")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to bring it into")
    origin = parser.add_mutually_exclusive_group()
    origin.add_argument(
        "--mirror",
        metavar="PATH_OR_URL",
        help="take it from a folder or address that an earlier `get --keep` filled",
    )
    origin.add_argument(
        "--from",
        dest="origin",
        type=Path,
        metavar="FOLDER",
        help="take files you have: archives are unpacked, others copied; no network",
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep archives after unpacking, to serve as a mirror"
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def run(args: argparse.Namespace) -> int:
    """Bring the set, then count what of it is found."""
    from spinekit.apps.cli import INTERRUPTED
    from spinekit.datasets.fetching import fetch_dataset, take
    from spinekit.datasets.registry import entry_named
    from spinekit.io.staging import check_writable

    entry = entry_named(args.name)
    check_writable(args.out)
    progress, close = _bar(args.quiet)
    try:
        if args.origin is not None:
            count = take(entry, args.origin, args.out, progress, keep=args.keep)
        else:
            count = fetch_dataset(
                entry, args.out, mirror=args.mirror, keep=args.keep, progress=progress
            )
    except KeyboardInterrupt:
        close()
        print("spinekit: interrupted; the same command goes on where it stopped", file=sys.stderr)
        return INTERRUPTED
    finally:
        close()
    if not args.quiet:
        images = len(entry.find(args.out, {}))
        print(f"{entry.name}: {count} files, {images} images in {args.out}")
        if not images:
            print(
                f"no image is found yet: `spinekit data show {entry.name}` says what is looked for"
            )
        print(f"licence: {entry.licence}\ncite: {entry.citation}")
    return 0


def _bar(quiet: bool) -> "tuple[Progress, Callable[[], object]]":
    from tqdm import tqdm

    from spinekit.datasets.fetching import Progress

    bar = tqdm(
        unit="B", unit_scale=True, unit_divisor=1000, disable=quiet or not sys.stderr.isatty()
    )

    def add(total: int) -> None:
        bar.total = (bar.total or 0) + total
        bar.refresh()

    def say(text: str) -> None:
        if not quiet:
            bar.write(text, file=sys.stderr)

    return Progress(add, bar.update, say), bar.close

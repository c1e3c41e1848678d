"""Options that several commands share.

It knows words and their help, not what they do.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class RunOptions:
    """How a run goes, and where its results go."""

    out: Path
    """Folder for the results."""
    jobs: int = 1
    """Scans at the same time."""
    threads: int | None = None
    """Threads per scan; None shares all cores among the jobs."""
    overwrite: bool = False
    """Replace existing results."""
    quiet: bool = False
    """Print errors only."""
    json: bool = False
    """Print the outcomes as JSON."""
    debug: bool = False
    """Show the traceback of an error."""

    @classmethod
    def from_args(cls, args: argparse.Namespace) -> "RunOptions":
        """OUT, `--debug` and what `add_running` adds: each field bears its option's name."""
        return cls(**{field.name: getattr(args, field.name) for field in fields(cls)})

    def share_threads(self) -> int:
        """Threads of one scan: what was asked for, or its share of the cores."""
        from spinekit.prediction.predictor import available_cores

        return self.threads or max(1, available_cores() // self.jobs)


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add what decides how a scan is read."""
    parser.add_argument(
        "--volume", metavar="N", type=int, help="volume N (from 0) of a 4-D scan, not their mean"
    )
    parser.add_argument(
        "--series",
        metavar="S",
        help="series of a DICOM folder: number, UID or description",
    )
    parser.add_argument(
        "--force", action="store_true", help="go on with scans that would be refused"
    )
    parser.add_argument(
        "--strict", action="store_true", help="refuse scans with an implausible header"
    )


def add_knowledge(parser: argparse.ArgumentParser) -> None:
    """Add what is known of the names from elsewhere."""
    parser.add_argument(
        "--loc",
        metavar="PATH",
        type=Path,
        help="labels of a localizer of the same patient as evidence: a file, or a folder of them",
    )
    parser.add_argument(
        "--suffix",
        metavar="S",
        nargs="+",
        default=[],
        help="only scans whose names end in S; taken off to find their localizer",
    )
    parser.add_argument(
        "--loc-suffix", metavar="S", default="", help="put on instead in the localizer's name"
    )
    parser.add_argument(
        "--together",
        action="store_true",
        help="name the series of each study (the scans of one folder) jointly",
    )


def add_layout(parser: argparse.ArgumentParser) -> None:
    """Add what decides which files there are, and how they are laid out."""
    parser.add_argument(
        "--levels", action="store_true", help="a numbered point on the canal for every disc too"
    )
    parser.add_argument(
        "--soft", action="store_true", help="probabilities of cord and canal too, 0 to 1"
    )
    parser.add_argument(
        "--layout",
        choices=("spinekit", "totalspineseg", "bids"),
        default="spinekit",
        help="files as TotalSpineSeg lays them out, or as BIDS derivatives",
    )
    parser.add_argument(
        "--step1", action="store_true", help="layout totalspineseg: files of the first step only"
    )
    parser.add_argument(
        "--keep-only",
        metavar="FOLDER",
        nargs="+",
        default=[],
        help="layout totalspineseg: write these folders only",
    )


def add_settings(parser: argparse.ArgumentParser, text: str) -> None:
    """Add `--set`, whose words `core.settings.parse_pairs` reads; `text` is its help."""
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help=f"{text}; may be repeated"
    )


def add_format(parser: argparse.ArgumentParser) -> None:
    """Add what the volumes are written as."""
    parser.add_argument(
        "--format",
        dest="fmt",
        choices=("nii.gz", "nii", "mha", "nrrd", "seg.nrrd"),
        default="nii.gz",
        help="file type of the volumes; seg.nrrd carries names and colours for 3D Slicer",
    )


def add_running(parser: argparse.ArgumentParser) -> None:
    """Add what decides how a run goes: the fields of `RunOptions`, but for OUT and `--debug`."""
    parser.add_argument(
        "--threads", metavar="N", type=positive, help="threads per scan (default: all cores)"
    )
    parser.add_argument(
        "--jobs", metavar="N", type=positive, default=1, help="scans at the same time (default 1)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace existing results")
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    parser.add_argument("--json", action="store_true", help="print a summary as JSON")


class Unused(argparse.Action):
    """An option that is taken and does nothing; `unused` keeps its name, so that it can be told."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Keep the option's long name."""
        namespace.unused = (*namespace.unused, self.option_strings[0])


def add_totalspineseg(parser: argparse.ArgumentParser) -> None:
    """Add TotalSpineSeg's short options, and those of its options that nothing here needs."""
    group = parser.add_argument_group("for scripts that call TotalSpineSeg")
    kept = argparse.SUPPRESS  # what the long option said
    group.add_argument("-l", dest="loc", metavar="PATH", type=Path, default=kept, help="--loc")
    group.add_argument("-s", dest="suffix", metavar="S", nargs="+", default=kept, help="--suffix")
    group.add_argument("-ls", dest="loc_suffix", metavar="S", default=kept, help="--loc-suffix")
    group.add_argument(
        "-k", dest="keep_only", metavar="FOLDER", nargs="+", default=kept, help="--keep-only"
    )
    group.add_argument("-q", dest="quiet", action="store_true", default=kept, help="--quiet")
    words = (["--device"], ["--data-dir", "-d"], ["--max-workers", "-w"], ["--max-workers-nnunet"])
    for names in words:
        group.add_argument(*names, action=Unused, metavar="X", help="taken and not used")
    group.add_argument("--no-stalling", action=Unused, nargs=0, help="taken and not used")
    parser.set_defaults(unused=())


def tell_unused(unused: Sequence[str], layout: str, *, quiet: bool) -> None:
    """Say which options of TotalSpineSeg were given and do nothing here; `quiet` says nothing.

    Raises:
        UsageError: They were given without that tool's layout.
    """
    from spinekit.core.errors import UsageError

    if not unused:
        return
    given = ", ".join(unused)
    if layout != "totalspineseg":
        raise UsageError(
            "layout-option",
            f"{given} has no meaning in layout {layout!r}",
            "leave it out, or add --layout totalspineseg",
        )
    if not quiet:
        print(f"spinekit: {given} not used: nothing here needs it", file=sys.stderr)


def positive(text: str) -> int:
    """Read a whole number of at least one.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return number

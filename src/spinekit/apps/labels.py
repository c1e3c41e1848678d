"""`spinekit labels …`: label maps from one scheme to another, and what is lost on the way.

It knows options, files and what to print; what a value means, it does not know.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


EPILOG = """\
A scheme is a name (`spinekit labels list`) or the labels.json of a prepared set:

  spinekit labels convert scan_dseg.nii.gz --to spider              # what would be lost
  spinekit labels convert mask.mha --from spider --to totalspineseg --out out.nii.gz
  spinekit labels convert predictions/ --inverse set/labels.json --out named/

SPIDER counts from the lowest vertebra: --lowest says which it is."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the steps with their options."""
    steps = parser.add_subparsers(dest="step", metavar="STEP", required=True)
    convert = steps.add_parser(
        "convert",
        help="put label maps into another scheme's values",
        description="Put label maps into another scheme's values and list what is lost.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    convert.add_argument("labels", metavar="A", type=Path, help="label map, or folder of them")
    convert.add_argument("--from", dest="source", metavar="SCHEME", default="spinekit")
    convert.add_argument("--to", dest="target", metavar="SCHEME", default="spinekit")
    convert.add_argument(
        "--inverse", metavar="FILE", help="labels.json of a prepared set: short for --from FILE"
    )
    convert.add_argument(
        "--lowest", metavar="NAME", default="L5", help="lowest vertebra of a SPIDER map"
    )
    convert.add_argument(
        "--out", metavar="B", type=Path, help="file or folder to write (default: only the report)"
    )
    convert.add_argument("--json", metavar="FILE", type=Path, help="write the report as JSON")
    convert.add_argument("--overwrite", action="store_true", help="replace existing files")
    convert.add_argument("--quiet", action="store_true", help="print errors only")
    listing = steps.add_parser("list", help="name the schemes", description="Name the schemes.")
    for sub in (convert, listing):
        sub.add_argument("--debug", action="store_true", help="show the traceback of an error")


def run(args: argparse.Namespace) -> int:
    """Run the chosen step."""
    return _list() if args.step == "list" else _convert(args)


def _list() -> int:
    from spinekit.anatomy.scheme import load_scheme, scheme_names

    for name in scheme_names():
        print(f"{name:20} {load_scheme(name).description}")
    return 0


def _convert(args: argparse.Namespace) -> int:
    """Convert a file, or every label map of a folder; a failure does not stop the rest."""
    from spinekit.apps.cli import explain
    from spinekit.apps.masks import find_masks
    from spinekit.curation.tables import find_scheme
    from spinekit.io.discovery import is_single
    from spinekit.io.writing import write_json

    source = find_scheme(args.inverse or args.source)
    target = find_scheme(args.target)
    found = find_masks(args.labels, exclude=args.out, quiet=args.quiet)
    alone = is_single(found, args.labels)
    top = None if alone else args.labels
    jobs = [
        (scan.path, None if args.out is None else _target(scan.path, args.out, top))
        for scan in found
    ]
    _check_places(jobs, overwrite=args.overwrite)
    reports: list[dict[str, Any]] = []
    failed = 0
    for path, out in jobs:
        try:
            report = convert_file(path, source, target, lowest=args.lowest, out=out)
        except Exception as error:
            if alone:
                raise
            failed += 1
            print(f"spinekit: error: {path.name}: {explain(error)[1]}", file=sys.stderr)
            continue
        reports.append(report)
        if not args.quiet:
            print(describe(report))
    if args.json is not None:
        write_json(args.json, reports)
    return 1 if failed else 0


def _target(path: Path, out: Path, top: Path | None) -> Path:
    """Where a converted map goes: into OUT, or to the file that OUT is.

    The maps of a folder `top` keep their place inside it. What has no extension is a folder, there
    or not.

    Raises:
        UsageError: OUT is called like a file, and all maps of a folder are to go there.
    """
    from spinekit.core.errors import UsageError
    from spinekit.io.discovery import FILE_ENDINGS, ending_of

    if top is not None:
        if ending_of(out) in FILE_ENDINGS and not out.is_dir():
            what = f"OUT ({out}) is called like a file, and A is a folder"
            raise UsageError("out-is-file", what, "name a folder; it is made if it is missing")
        return out / path.relative_to(top)
    return out / path.name if out.is_dir() or not out.suffix else out


def _check_places(jobs: list[tuple[Path, Path | None]], *, overwrite: bool) -> None:
    """Refuse to write over what is read, or over anything without being told to.

    Raises:
        UsageError: A file to write is there already.
    """
    from spinekit.core.errors import UsageError

    sources = {path.resolve() for path, _ in jobs}
    for _, out in jobs:
        if out is not None and out.resolve() in sources:
            raise UsageError("out-is-input", f"OUT ({out}) is the input", "choose another file")
        if out is not None and out.exists() and not overwrite:
            raise UsageError(
                "results-exist", f"{out.name} is in OUT already", "add --overwrite, or another OUT"
            )


def convert_file(
    path: Path, source: Any, target: Any, *, lowest: str, out: Path | None
) -> dict[str, Any]:
    """Convert one label map.

    Args:
        path: Its file.
        source: Scheme of its values.
        target: Scheme to write.
        lowest: Lowest vertebra, for a source that counts from it.
        out: File to write; None writes none.

    Returns:
        File, schemes and the account of `translate`.

    Raises:
        SpineKitError: It cannot be read, converted or written.
    """
    from spinekit.curation.translation import translate
    from spinekit.doubts import refuse_scan
    from spinekit.io.discovery import SEGMENTATION_ENDING
    from spinekit.io.reading import read_label_file
    from spinekit.io.writing import write_labels, write_seg_nrrd
    from spinekit.structures import name_segments

    volume, header = read_label_file(path)
    refuse_scan(path.name, volume.array)
    if path.name.lower().endswith(SEGMENTATION_ENDING):
        _check_segments(path, volume.array, source, lowest)
    result = translate(volume.array, source, target, lowest=lowest)
    if out is not None and out.name.lower().endswith(SEGMENTATION_ENDING):
        rows = sorted(result.kept, key=lambda row: row.target)
        segments = name_segments((row.target, row.name) for row in rows)
        write_seg_nrrd(out, result.labels, header, segments)
    elif out is not None:
        write_labels(out, result.labels, header)
    return {
        "input": path.name,
        "from": source.name,
        "to": target.name,
        "lowest": lowest,
        **result.to_dict(),
    }


def _check_segments(path: Path, labels: NDArray[np.integer], source: Any, lowest: str) -> None:
    """Refuse a segmentation that calls its values otherwise than their scheme does.

    Raises:
        InputError: It does.
    """
    import numpy as np

    from spinekit.core.errors import InputError
    from spinekit.labelling.meanings import read_meanings

    present = [int(value) for value in np.unique(labels) if value]
    known = source.meanings(lowest=lowest, present=present)
    meanings = read_meanings(path, known, present)
    others = meanings.overruled.keys() | (meanings.told - known.keys())
    renamed = {**meanings.unused, **{value: meanings.names[value] for value in others}}
    if renamed:
        value = min(renamed)
        raise InputError(
            "segment-names",
            f"{path.name}: calls {value} {renamed[value]!r}, which is "
            f"{known.get(value, 'nothing')} by the values of {source.name}",
            "give the scheme of its values with --from, or take its names with spinekit label",
        )


def describe(report: dict[str, Any]) -> str:
    """Put an account into one line, and one for each loss."""
    lines = [
        f"{report['input']}: {report['from']} → {report['to']}, "
        f"{len(report['kept'])} structures kept, {len(report['lost'])} lost or merged"
    ]
    words = {
        "no-meaning": "has no meaning in the source",
        "no-value": "has no value in the target",
        "merged": "shares its value with another structure",
        "renamed": "reads back under another name",
    }
    lines += [
        f"  {row['name']} ({row['source']}, {row['voxels']} voxels) {words[row['reason']]}"
        for row in report["lost"]
    ]
    return "\n".join(lines)

"""`spinekit data show`: what a set is, or what of it lies in a folder.

It prints what the registry and the set's adapter say and looks at no voxel.
"""

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spinekit.datasets.case import Case
    from spinekit.datasets.entry import Entry


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from spinekit.apps.options import add_settings

    parser.add_argument(
        "name", metavar="NAME", help="one of `spinekit data list`, or `auto` to guess by FOLDER"
    )
    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="where it lies")
    add_settings(parser, "a setting of the set, such as 'images=scans/{name}.nii.gz'")
    parser.add_argument("--json", action="store_true", help="print every case as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the card, or the cases of a folder."""
    import json

    from spinekit.core.errors import UsageError
    from spinekit.core.settings import parse_pairs
    from spinekit.datasets.registry import entry_named, find_cases, recognise

    settings = parse_pairs(args.set)
    name = args.name
    if name == "auto":
        if args.folder is None:
            raise UsageError("unknown-dataset", "`auto` guesses by a folder", "add FOLDER")
        found = recognise(args.folder)
        if found is None:
            raise UsageError(
                "unknown-dataset",
                f"{args.folder}: no known layout",
                "name one of `spinekit data list`; `folder` takes patterns",
            )
        name = found
        entry_named(name).check(settings, otherwise="folder in place of auto")
    entry = entry_named(name)
    if args.folder is None:
        print(card(entry))
        return 0
    cases = find_cases(args.folder, name, settings)
    if args.json:
        print(json.dumps([as_row(case) for case in cases], indent=1, ensure_ascii=False))
    else:
        print(overview(name, cases))
    return 0


def card(entry: "Entry") -> str:
    """What a person must know of a set before using it."""
    lines = [
        entry.title,
        "",
        f"cite      {entry.citation}",
        f"licence   {entry.licence}",
        f"homepage  {entry.homepage}",
        f"get       {entry.source.summary}",
    ]
    how = getattr(entry.source, "how", None)
    lines += [f"          {how}"] if how else []
    lines += ["", "labels", _indented(entry.labels), "", "files", _indented(entry.layout)]
    if entry.settings:
        lines += ["", "settings (--set KEY=VALUE)"]
        lines += [f"  {key:12}{text}" for key, text in entry.settings.items()]
    return "\n".join(lines)


def overview(name: str, cases: "list[Case]") -> str:
    """Counts, and what the first cases are."""
    contrasts = Counter(case.contrast or "not stated" for case in cases)
    masks = Counter(len(case.masks) for case in cases)
    names = sorted({word for case in cases for mask in case.masks for word in mask.values.values()})
    unknown = sum(1 for case in cases for mask in case.masks if not mask.values)
    lines = [
        f"{name}: {len(cases)} images of {len({case.subject for case in cases})} subjects",
        "contrasts   " + ", ".join(f"{key} {n}" for key, n in contrasts.most_common()),
        "masks       " + ", ".join(f"{n} images with {key}" for key, n in sorted(masks.items())),
    ]
    if names:
        lines.append(f"structures  {len(names)}: {', '.join(names[:12])}{' …' * (len(names) > 12)}")
    if unknown:
        lines.append(
            f"unknown     the values of {unknown} masks are not known: --set values=SCHEME"
        )
    lines += ["", "first cases"]
    for case in cases[:5]:
        files = ", ".join(mask.path.name for mask in case.masks) or "no mask"
        lines.append(f"  {case.name}: subject {case.subject}, {case.contrast or '?'}; {files}")
    return "\n".join(lines)


def as_row(case: "Case") -> dict[str, Any]:
    """A case as plain values."""
    return {
        "name": case.name,
        "dataset": case.dataset,
        "subject": case.subject,
        "session": case.session,
        "contrast": case.contrast,
        "image": str(case.image),
        "masks": [
            {
                "path": str(mask.path),
                "values": {str(value): name for value, name in mask.values.items()},
                "scheme": mask.scheme,
                "binary": mask.binary,
            }
            for mask in case.masks
        ],
        "facts": dict(case.facts),
    }


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.rstrip("\n").splitlines())

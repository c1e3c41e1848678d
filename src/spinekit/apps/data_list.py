"""`spinekit data list`: the sets that can be asked for by name.

It prints the registry and knows no set itself.
"""

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args: argparse.Namespace) -> int:
    """Print name, licence, how it is had, and title."""
    import json

    from spinekit.datasets.registry import DATASETS

    entries = list(DATASETS.values())
    if args.json:
        rows = [
            {
                "name": entry.name,
                "title": entry.title,
                "citation": entry.citation,
                "licence": entry.licence,
                "homepage": entry.homepage,
                "get": entry.source.summary,
                "labels": entry.labels,
                "layout": entry.layout,
                "settings": dict(entry.settings),
            }
            for entry in entries
        ]
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return 0
    width = max(len(entry.name) for entry in entries)
    means = max(len(entry.source.summary) for entry in entries)
    for entry in entries:
        print(f"{entry.name:{width}}  {entry.source.summary:{means}}  {entry.title}")
    print("\n`spinekit data show NAME` tells more; cite a set and keep its licence when you use it")
    return 0

"""Phantoms that `spinekit phantom` drew: images, label maps, parts, and the truth as JSON.

It knows where that command puts its files, and nothing of how they are drawn.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from spinekit.core.errors import InputError
from spinekit.datasets.case import Case
from spinekit.datasets.entry import Entry, Settings, holds
from spinekit.datasets.meaning import mask_file
from spinekit.datasets.sources import Own
from spinekit.io.discovery import stem_of

LAYOUT = """\
images/phantom{nnnnn}.nii.gz
labels/phantom{nnnnn}_dseg.nii.gz      SpineKit's values
labels/phantom{nnnnn}_parts.nii.gz     parts
truth/phantom{nnnnn}.json              what was drawn
"""

MEANINGS = {"dseg": "spinekit", "parts": "parts"}


def find(root: Path, settings: Settings) -> list[Case]:
    """Every phantom of the folder.

    Args:
        root: The OUT of `spinekit phantom`.
        settings: None are known.

    Returns:
        Cases by name. Empty without images.

    Raises:
        InputError: A truth file cannot be read.
    """
    cases = []
    for path in sorted((root / "images").glob("phantom*.nii.gz")):
        name = stem_of(path)
        truth = _truth(root / "truth" / f"{name}.json")
        contrast = truth.get("contrast")
        masks = {kind: root / "labels" / f"{name}_{kind}.nii.gz" for kind in MEANINGS}
        cases.append(
            Case(
                name=name,
                dataset="phantom",
                subject=name,
                image=path,
                masks=tuple(
                    mask_file(mask, MEANINGS[kind])
                    for kind, mask in masks.items()
                    if mask.is_file()
                ),
                contrast=contrast if isinstance(contrast, str) else None,
                facts=_facts(truth),
            )
        )
    return cases


def _truth(path: Path) -> dict[str, Any]:
    """Content of a truth file; empty without one."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError("bad-table", f"{path.name}: {error}", "draw the phantom again") from error
    return content if isinstance(content, dict) else {}


def _facts(truth: dict[str, Any]) -> dict[str, str]:
    facts = {key: str(truth[key]) for key in ("fov", "plane") if truth.get(key)}
    anomalies = [str(found.get("name")) for found in truth.get("anomalies") or []]
    return facts | ({"anomalies": ", ".join(anomalies)} if anomalies else {})


ENTRY = Entry(
    name="phantom",
    title="Phantoms: drawn spines whose truth is known",
    citation="this package (CITATION.cff)",
    licence="Apache-2.0, as the package",
    homepage="`spinekit phantom --help`",
    layout=LAYOUT,
    labels="SpineKit's values, and parts in a file of their own",
    find=find,
    recognise=holds("images/phantom[0-9]*.nii.gz"),
    source=Own("draw as many as you like with `spinekit phantom OUT -n 100`"),
)

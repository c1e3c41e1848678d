"""Which localizer belongs to a scan, by their file names.

Knows names only; the matching is TotalSpineSeg's: a scan's name without its suffix and a
localizer's without its own are the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from spinekit.core.errors import UsageError
from spinekit.io.discovery import FILE_ENDINGS

PATIENT = re.compile(r"(sub-[A-Za-z0-9]+)(?:_(ses-[A-Za-z0-9]+))?(?=_|$)")
"""How names begin that tell patient and visit, as in BIDS."""

_ENDINGS = (*FILE_ENDINGS, ".seg.nrrd")
_FOLDERS = ("", "step2_output")
"""Where in a results' folder labels may lie."""


def find_localizer(
    place: Path,
    stem: str,
    *,
    within: Path = Path(),
    suffixes: Sequence[str] = (),
    loc_suffix: str = "",
) -> Path | None:
    """Find the localizer's labels for a scan.

    Args:
        place: A label file, which then belongs to every scan; or a folder of them.
        stem: The scan's name without extensions.
        within: The scan's folder inside INPUT, looked into first; `place` itself comes second, and
            third the folder that a BIDS dataset has for a name of BIDS.
        suffixes: Ends of scans' names that are replaced, the first that fits; `("_T2w",)`.
        loc_suffix: End of the localizers' names before `_dseg` or the extension.

    Returns:
        The file, or None where the folder has none for this scan.

    Raises:
        UsageError: `place` does not exist.
    """
    if not place.exists():
        raise UsageError("file-missing", f"{place}: no such localizer", "check the path")
    if not place.is_dir():
        return place
    cut = next((suffix for suffix in suffixes if suffix and stem.endswith(suffix)), "")
    name = f"{stem[: len(stem) - len(cut)]}{loc_suffix}"
    names = (f"{name}_dseg", name, *_derived(name))
    for folder in dict.fromkeys((place / within, place, *_of_patient(place, stem))):
        for inner in _FOLDERS:
            for known in names:
                for ending in _ENDINGS:
                    path = folder / inner / f"{known}{ending}"
                    if path.is_file():
                        return path
    return None


def _of_patient(place: Path, stem: str) -> tuple[Path, ...]:
    """Where a BIDS dataset holds the pictures of the patient and visit that a name begins with."""
    found = PATIENT.match(stem)
    return (place.joinpath(*filter(None, found.groups()), "anat"),) if found else ()


def _derived(name: str) -> tuple[str, ...]:
    """What the layout `bids` calls the labels of a scan of this name."""
    entities, _, suffix = name.rpartition("_")
    start = f"{entities}_space-orig_seg-spine"
    ends = (f"desc-{suffix}_dseg", f"res-1mm_desc-{suffix}_dseg")
    return tuple(f"{start}_{end}" for end in ends) if entities else ()

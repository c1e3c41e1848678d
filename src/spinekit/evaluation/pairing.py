"""Which label files are one scan's, and which prediction answers which reference.

Knows names of files and folders, those of every layout that `segment` writes among them; opens
files only to tell whether two formats hold the same.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spinekit.core.errors import SpineKitError, UsageError
from spinekit.io.derivatives import is_resampled, split_derived
from spinekit.io.discovery import stem_of, walk_folders
from spinekit.io.reading import read_labels

ENDINGS = (".nii.gz", ".nii", ".seg.nrrd", ".nrrd", ".mha", ".mhd")
KINDS = ("dseg", "bodies", "discs", "cord", "points", "parts", "names")
PASSED_OVER = ("levels", "image", "soft", "probseg")  # written beside labels, and none
ON_A_GRID = ("dseg", "parts")  # kinds that BIDS derivatives have on either grid
COMPANIONS = {"dseg": ("parts",), "parts": ("names", "dseg"), "names": ("parts",)}

Files = Mapping[str, Path]
"""Kind → file of one scan; "" is the kind of a file without a known suffix."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The files of one scan on both sides.

    Attributes:
        name: the scan's stem, with its folder before it where folders tell scans apart.
        folder: that folder inside the references; `.` at the top, or where stems suffice.
        pred: the predicted files.
        ref: the reference's files.
    """

    name: str
    folder: Path
    pred: Files
    ref: Files


def pair_files(pred: Path, ref: Path) -> tuple[list[Pair], list[str]]:
    """Pair predictions with references.

    Scans are paired by their stems, whatever folders they lie in. Where a stem that both sides
    have comes in several folders, folders tell scans apart: one that both sides have answers only
    itself, and what lies elsewhere is paired by stem if that is still unique. What `label` made
    of a reference, and called after its file, answers it too. Two files are one pair whatever
    their names.

    Args:
        pred: predicted label file, or a folder of them.
        ref: reference, or a folder of them.

    Returns:
        The pairs, and the names of references without a prediction; both by rising name.

    Raises:
        UsageError: nothing there, or it cannot be told which of several files is meant.
    """
    preds, refs = find_label_files(pred), find_label_files(ref)
    if pred.is_file() and ref.is_file():
        refs = {next(iter(preds)): next(iter(refs.values()))}
    answers = {stem: preds.get(stem) or _by_mask(preds, asked) for stem, asked in refs.items()}
    common = [(answers[stem], asked) for stem, asked in refs.items() if answers[stem]]
    apart = any(_repeated(side) for sides in common for side in sides)
    shared: set[Path] = set()
    if apart and pred.is_dir() and ref.is_dir():
        shared = _folders(preds) & _folders(refs)
    pairs: list[Pair] = []
    missing: list[str] = []
    for stem, asked in refs.items():
        matched = _match(answers[stem], asked, shared)
        for folder, *files in matched:
            here = folder if apart else Path()
            pairs.append(Pair(_name(stem, here), here, *files))
        used = {file for *_, files in matched for file in files.values()}
        left = [folder for folder, files in asked.items() if used.isdisjoint(files.values())]
        named = apart or _repeated(asked)
        missing += {_name(stem, folder if named else Path()) for folder in left}
    return sorted(pairs, key=lambda pair: pair.name), sorted(missing)


def _by_mask(
    preds: Mapping[str, Mapping[Path, Files]], asked: Mapping[Path, Files]
) -> Mapping[Path, Files]:
    """What is called after one of the reference's files, as results of `label` are; or nothing."""
    own = {stem_of(file) for files in asked.values() for file in files.values()} & preds.keys()
    return preds[own.pop()] if len(own) == 1 else {}


def _match(
    answers: Mapping[Path, Files], asked: Mapping[Path, Files], shared: set[Path]
) -> list[tuple[Path, Files, Files]]:
    """Match the files of one stem: folder of the reference, predicted files, reference's files.

    Args:
        answers: folder → predicted files; may be empty.
        asked: folder → reference's files.
        shared: folders of both sides that answer only themselves.

    Raises:
        UsageError: neither folder nor stem tells which of several files is meant.
    """
    both = shared & answers.keys() & asked.keys()
    if both:
        return [(folder, answers[folder], asked[folder]) for folder in both]
    sides = [{k: v for k, v in side.items() if k not in shared} for side in (answers, asked)]
    if not all(sides):
        return []
    for side in (answers, asked):
        _join(side)  # raises where the stem is not unique
    return [(min(sides[1]), _join(sides[0]), _join(sides[1]))]


def find_label_files(path: Path) -> dict[str, dict[Path, dict[str, Path]]]:
    """Label files by stem, by folder and by kind.

    Args:
        path: a file, whose companions with another suffix are found too when they belong
            together (dseg with parts, parts with names), or a folder, searched to its bottom;
            hidden files, and what lies beside labels and is none, see PASSED_OVER, are left out.

    Returns:
        Stem → folder inside `path` → kind → file; the folder of a single file is `.`. Of BIDS
        derivatives on both grids, those on the scan's own; of several formats that hold the same,
        the first by name.

    Raises:
        UsageError: nothing there, or two files of one kind, stem and grid in one folder that do not
            hold the same.
    """
    if not path.exists():
        raise UsageError("missing", f"{path} does not exist", "check the path")
    if path.is_file():
        stem, kind = split_name(path)
        if kind in PASSED_OVER:  # whoever names it means it
            stem, kind = f"{stem}_{kind}", ""
        return {stem: {Path(): {kind: path} | _find_companions(path, stem, kind)}}
    found: dict[str, dict[Path, tuple[dict[str, Path], dict[str, Path]]]] = {}
    everything = (folder / name for folder, names in walk_folders(path, None, []) for name in names)
    for file in sorted(everything):
        if file.name[0] == "." or not _ending(file) or not file.is_file():
            continue
        stem, kind = split_name(file)
        if kind in PASSED_OVER:
            continue
        inside = file.parent.relative_to(path)
        grids = found.setdefault(stem, {}).setdefault(inside, ({}, {}))
        files = grids[is_resampled(file.name)]
        if kind in files and not _hold_the_same(file, files[kind]):
            raise _twice(file, files[kind])
        files.setdefault(kind, file)
    return {
        stem: {inside: _on_one_grid(*grids) for inside, grids in folders.items()}
        for stem, folders in found.items()
    }


def _on_one_grid(own: Files, resampled: Files) -> dict[str, Path]:
    """The files of one scan by kind; those that lie on either grid, on the scan's own.

    Where its own lacks the labels, they are those of the other.
    """
    lead, rest = own, resampled
    if not any(kind in own for kind in ON_A_GRID) or ("dseg" in resampled and "dseg" not in own):
        lead, rest = resampled, own
    return {kind: file for kind, file in rest.items() if kind not in ON_A_GRID} | dict(lead)


def split_name(path: Path) -> tuple[str, str]:
    """Stem and kind of a file, see KINDS and PASSED_OVER.

    `scan_dseg.nii.gz` is ("scan", "dseg"); of BIDS derivatives the stem is the raw scan's.
    """
    derived = split_derived(path.name)
    if derived is not None:
        return derived
    name = path.name[: -len(_ending(path)) or None]
    match = re.fullmatch(rf"(.+)_({'|'.join((*KINDS, *PASSED_OVER))})", name)
    return (match[1], match[2]) if match else (name, "")


def _find_companions(path: Path, stem: str, kind: str) -> dict[str, Path]:
    """Files beside this one that belong to it, with the same ending and on the same grid."""
    wanted = {(stem, other): other for other in COMPANIONS.get(kind, ())}
    found = {}
    for beside in sorted(path.parent.iterdir()) if wanted else ():
        other = wanted.get(split_name(beside))
        alike = _ending(beside) == _ending(path)
        alike &= is_resampled(beside.name) == is_resampled(path.name)
        if other is not None and alike and beside.is_file():
            found[other] = beside
    return found


def _ending(path: Path) -> str:
    """The file's ending in lower case; "" if it is no label file's."""
    return next((ending for ending in ENDINGS if path.name.lower().endswith(ending)), "")


def _folders(side: Mapping[str, Mapping[Path, Files]]) -> set[Path]:
    return {folder for folders in side.values() for folder in folders}


def _repeated(folders: Mapping[Path, Files]) -> bool:
    """Whether one kind of file comes in several folders."""
    kinds = [kind for files in folders.values() for kind in files]
    return len(set(kinds)) < len(kinds)


def _join(folders: Mapping[Path, Files]) -> dict[str, Path]:
    """The files of one scan that lie in several folders, by kind.

    Raises:
        UsageError: there are two of one kind.
    """
    joined: dict[str, Path] = {}
    for files in folders.values():
        for kind, file in files.items():
            if kind in joined:
                raise _twice(joined[kind], file)
            joined[kind] = file
    return joined


def _hold_the_same(first: Path, second: Path) -> bool:
    """Whether two files have the same labels in the same place; if not both can be read, no."""
    try:
        one, other = read_labels(first), read_labels(second)
    except SpineKitError:
        return False
    return one.grid.is_close(other.grid) and np.array_equal(one.array, other.array)


def _name(stem: str, folder: Path) -> str:
    return (folder / stem).as_posix()


def _twice(first: Path, second: Path) -> UsageError:
    remedy = "compare one folder at a time, or give both sides the same folders"
    if first.parent == second.parent:
        remedy = "move one of the two away"
    return UsageError("stem-twice", f"{first} and {second} have the same name", remedy)

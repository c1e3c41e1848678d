"""What file names tell: patient, session, contrast; and patterns with fields in them.

It knows words in names and opens no file.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from spinekit.core.errors import RecipeError
from spinekit.io.discovery import FILE_ENDINGS, dicom_files, ending_of, stem_of, walk_folders

FIELDS = ("name", "subject", "session", "contrast", "kind")
"""Fields a pattern may hold; `*` and `**` match anything within a folder and across folders."""

_CONTRASTS = (
    ("T2SPACE", r"t2[-_ ]?space"),
    ("STIR", r"stir|tirm"),
    ("T2star", r"t2star|t2\*|medic|merge"),
    ("T2w", r"t2w?(?:[-_]?(?:tse|fse|dixon))?"),
    ("T1w", r"t1w?(?:[-_]?(?:tse|fse|dixon))?"),
    ("PDw", r"pdw?"),
    ("MTS", r"mts|acq-t1w_mts"),
    ("CT", r"ct"),
    ("water", r"water"),
    ("fat", r"fat"),
    ("inphase", r"in[-_]?phase"),
    ("opphase", r"opp?(?:osed)?[-_]?phase"),
)
_TAIL = re.compile(r"[_-](?:0000|image|img|mri?|scan|vol(?:ume)?)$", re.IGNORECASE)


def contrast_of(name: str) -> str | None:
    """Contrast a file name speaks of, None when it does not.

    Args:
        name: File name or stem.

    Returns:
        Such as `T2w`, `STIR` or `CT`.
    """
    for contrast, pattern in _CONTRASTS:
        if re.search(rf"(?:^|[^a-z0-9])(?:{pattern})(?:$|[^a-z0-9])", name.lower()):
            return contrast
    return None


def is_contrast(text: str) -> bool:
    """Whether a text is a contrast and nothing else."""
    return any(re.fullmatch(pattern, text.lower()) for _, pattern in _CONTRASTS)


def subject_of(name: str) -> str:
    """Patient a file name speaks of.

    The BIDS entity `sub-` where there is one; else the name without trailing words for contrast,
    first channel (`_0000`) or image. Other numbers count patients as often as channels and stay.

    Args:
        name: File name's stem.

    Returns:
        Such as `sub-01` or `chu02`; never empty.
    """
    entity = re.match(r"(sub-[0-9a-zA-Z]+)(?:_|$)", name)
    if entity:
        return entity.group(1)
    found = name
    while True:
        shorter = _TAIL.sub("", found)
        words = re.split(r"(?=[_-])", shorter)
        for count in (2, 1):
            # Two words first: `t2_tse` is one contrast.
            tail = "".join(words[-count:]).strip("_-")
            if len(words) > count and is_contrast(tail):
                shorter = "".join(words[:-count])
                break
        if shorter == found or not shorter:
            return found
        found = shorter


def first_channel(name: str, names: Collection[str]) -> str:
    """Name of a scan's first channel: `p1_0000` for `p1_0001`, where that is among the names.

    Numbers that go on past nine count scans, and the name stays; so does one without a number.
    """
    start, digits = name[:-4], name[-4:]
    is_channel = re.fullmatch(r"000[1-9]", digits) and f"{start}0010" not in names
    return f"{start}0000" if is_channel and f"{start}0000" in names else name


def session_of(name: str) -> str | None:
    """The BIDS session in a name, such as `ses-01`; None without one."""
    entity = re.search(r"(?:^|_)(ses-[0-9a-zA-Z]+)(?:_|$)", name)
    return entity.group(1) if entity else None


def volumes(root: Path) -> Iterator[Path]:
    """Every volume below a folder: scan files, and folders of DICOM files.

    They are sorted, those behind links to folders last. Hidden files and folders are passed over.
    A missing folder gives none.
    """
    for folder, files in walk_folders(root, None, []):
        for name in sorted(files):
            if name[0] != "." and ending_of(Path(name)) in FILE_ENDINGS:
                yield folder / name
        if files and dicom_files(folder):
            yield folder


def stem_path(root: Path, path: Path) -> str:
    """Path inside `root` with `/`, without a scan's ending."""
    relative = path.relative_to(root)
    stem = stem_of(path)
    return stem if relative.parent == Path() else f"{relative.parent.as_posix()}/{stem}"


def pattern_to_regex(pattern: str, known: Mapping[str, str] | None = None) -> re.Pattern[str]:
    """Turn a pattern such as `images/{name}` into a regular expression.

    Endings of scans may be written or left out; matching is against `stem_path`. A field matches
    within one folder, and the same text wherever it stands again.

    Args:
        pattern: Text with fields in braces, `*` and `**/`.
        known: Fields whose text is given already.

    Raises:
        RecipeError: A field that is none of `FIELDS`.
    """
    known = known or {}
    seen: set[str] = set()
    parts: list[str] = []
    for piece in _pieces(pattern):
        name = piece[1:-1]
        if not piece.startswith("{"):
            parts.append({"**/": "(?:.*/)?", "*": "[^/]*"}.get(piece, re.escape(piece)))
        elif name not in FIELDS:
            raise RecipeError(
                "bad-pattern", f"{pattern}: no field {piece}", f"fields: {', '.join(FIELDS)}"
            )
        elif known.get(name):
            parts.append(re.escape(known[name]))
        else:
            parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+)")
            seen.add(name)
    return re.compile("".join(parts))


def literal_start(pattern: str, known: Mapping[str, str]) -> str:
    """Text that everything a pattern finds begins with: up to its first open place."""
    start = ""
    for piece in _pieces(pattern):
        text = known.get(piece[1:-1]) if piece.startswith("{") else piece
        if not text or piece in ("*", "**/"):
            break
        start += text
    return start


def _pieces(pattern: str) -> list[str]:
    """Literal text, fields and wildcards of a pattern, without a scan's ending."""
    ending = next((end for end in FILE_ENDINGS if pattern.lower().endswith(end)), "")
    return re.split(r"(\{\w+\}|\*\*/|\*)", pattern[: len(pattern) - len(ending)])


def read_regex(settings: Mapping[str, Any], key: str) -> re.Pattern[str] | None:
    """A setting as a regular expression; None without it.

    Raises:
        RecipeError: It is none.
    """
    if key not in settings:
        return None
    try:
        return re.compile(settings[key])
    except (re.error, TypeError) as error:
        raise RecipeError(
            "bad-pattern",
            f"{key} = {settings[key]!r} is no regular expression: {error}",
            "such as '^[^_]+', what comes before the first underscore",
        ) from error

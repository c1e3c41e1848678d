"""Al Khalil lumbar set: multi-scanner, multi-modal MRI of 39 patients with bodies and discs.

One binary mask per structure: bodies L1 to L5, discs L1-L2 to L4-L5; some are missing. The names of
its files could not be verified. What is read here is any layout in which a folder (or the start of
a name) is the patient, the name of an image or of its folder speaks of its contrast, and a mask's
name of its level. A name that may mean a body or a disc, and a mask without an image, are errors,
for a guess would be a wrong label; any other layout is taken by `folder`.
"""

from __future__ import annotations

import re
from pathlib import Path

from spinekit.anatomy.scheme import VALUES
from spinekit.core.errors import InputError, UsageError
from spinekit.datasets.case import Case
from spinekit.datasets.entry import Entry, Settings
from spinekit.datasets.meaning import mask_file
from spinekit.datasets.naming import contrast_of, is_contrast, stem_path, subject_of, volumes
from spinekit.datasets.sources import Form
from spinekit.io.discovery import stem_of

LAYOUT = """\
{patient}/…{T1,T2,water,fat …}….{mha,nii.gz}       images; T1 and T2, in part also water and fat
{patient}/…{L1 … L5, L1-L2 … L4-L5}….{mha,nii.gz}   one binary mask per structure
"""

_PAIR = re.compile(
    r"(?<![A-Za-z0-9])([A-Za-z]*[ _-]?)??(L[1-5])([ _./-]?)([LS]?)([1-6]?)(?![A-Za-z0-9])",
    re.IGNORECASE,
)
"""A level, and perhaps the one below it: `L1`, `L1-L2`, `L1L2`, `L4-5`, `L5_S`."""
_DISC = re.compile(r"(?<![A-Za-z])(?:dis[ck]s?|ivds?|discus)(?![A-Za-z])", re.IGNORECASE)
_KIND = re.compile(
    r"(?:images?|imgs?|masks?|labels?|seg(?:mentation)?s?|rois?|mris?|data|vert(?:ebrae?)?|bod(?:y|ies)"
    r"|dis[ck]s?|ivds?|bin(?:ary)?)",
    re.IGNORECASE,
)
"""What a folder or the end of a name is called after its kind, not after a patient."""
_PATTERNS = "patterns of your own: --dataset folder --set images=… --set masks=…"


def find(root: Path, settings: Settings) -> list[Case]:
    """Every image that has masks in its patient's folder.

    Args:
        root: Holds a folder per patient, or all files, or a folder per kind of file.
        settings: None are known.

    Returns:
        Cases by name. A mask that names a contrast goes to the image of that contrast, another to
        all images of its patient. Empty without any file.

    Raises:
        UsageError: Files, but none whose name speaks of a level.
        InputError: A mask whose name may mean a body or a disc, or that no image takes.
    """
    masks: dict[str, list[tuple[Path, str, str | None]]] = {}
    images: list[tuple[str, Path, str | None]] = []
    for path in volumes(root):
        patient, rest = _patient(root, path)
        level = _level(path)
        if level is None:
            images.append((patient, path, contrast_of(rest)))
        else:
            masks.setdefault(patient, []).append((path, level, contrast_of(rest)))
    if images and not masks:
        seen = ", ".join(path.name for _, path, _ in images[:3])
        raise UsageError(
            "no-cases",
            f"{root}: no name speaks of a level (looked for L1 … L5, L1-L2, L1L2, L1-2, IVD_L1_L2; "
            f"seen: {seen})",
            _PATTERNS,
        )
    _refuse_orphans(masks, images)
    cases = []
    for patient, path, contrast in images:
        own = [m for m in masks.get(patient, []) if m[2] in (None, contrast)]
        place, twice = stem_path(root, path).replace("/", "_"), f"{patient}_{patient}"
        cases.append(
            Case(
                name=place.removeprefix(f"{patient}_") if place.startswith(twice) else place,
                dataset="al-khalil",
                subject=patient,
                image=path,
                masks=tuple(mask_file(mask, level) for mask, level, _ in own),
                contrast=contrast,
            )
        )
    return cases


def structure_of(stem: str) -> str | None:
    """Body or disc that a file's name speaks of, such as `L1` or `L4-L5`; None for an image.

    Raises:
        ValueError: It may be a body or a disc: a disc by one level, or `L1_2` without a word.
    """
    found = _PAIR.search(stem)
    if found is None:
        return None
    is_disc = _DISC.search(stem) is not None
    upper, between, letter, number = (found.group(n).upper() for n in range(2, 6))
    if not letter + number:
        if is_disc:
            raise ValueError(stem)
        return upper
    name = f"{upper}-{letter or 'L'}{number or '1'}"
    if name in VALUES and (letter or is_disc or between in ("-", ".", "/")):
        return name
    if name not in VALUES and not letter and between in ("_", " "):
        # A file's running number, which cannot be a level; that of `L1_2` could.
        return upper
    raise ValueError(stem)


def _level(path: Path) -> str | None:
    try:
        return structure_of(stem_of(path))
    except ValueError:
        raise InputError(
            "level-unclear",
            f"{path}: its name may mean a body or a disc (looked for L4 or L4-L5)",
            f"rename it, or give {_PATTERNS}",
        ) from None


def _refuse_orphans(
    masks: dict[str, list[tuple[Path, str, str | None]]],
    images: list[tuple[str, Path, str | None]],
) -> None:
    """See that every mask has an image of its patient, and of its contrast where it names one."""
    for patient, own in masks.items():
        contrasts = [contrast for who, _, contrast in images if who == patient]
        for path, _, contrast in own:
            if not contrasts or (contrast is not None and contrast not in contrasts):
                raise InputError(
                    "mask-without-image",
                    f"{path}: no image of it (looked for one of patient {patient!r}"
                    f"{f' and contrast {contrast}' if contrast else ''})",
                    f"put it beside its image, or give {_PATTERNS}",
                )


def _patient(root: Path, path: Path) -> tuple[str, str]:
    """The patient, and what the path says beside."""
    *folders, stem = stem_path(root, path).split("/")
    for index, folder in enumerate(folders):
        if not _KIND.fullmatch(folder) and not is_contrast(folder):
            return folder, "/".join([*folders[index + 1 :], stem])
    found = _PAIR.search(stem)
    level = found.start(2) if found else len(stem)
    words = re.split(r"[ _-]+", stem[:level].rstrip(" _-"))
    while len(words) > 1 and _KIND.fullmatch(words[-1]):
        words.pop()
    return subject_of("_".join(words)), "/".join([*folders, stem])


ENTRY = Entry(
    name="al-khalil",
    title="Al Khalil: multi-scanner, multi-modal lumbar MRI with bodies and discs (39 patients)",
    citation="Khalil et al., Multi-scanner and multi-modal lumbar vertebral body and "
    "intervertebral disc segmentation database, Sci Data (2022), doi:10.1038/s41597-022-01222-8",
    licence="as stated in the paper; not verified here",
    homepage="https://www.nature.com/articles/s41597-022-01222-8",
    layout=LAYOUT,
    labels="one binary mask per structure: bodies L1–L5, discs L1-L2 to L4-L5; some are missing",
    find=find,
    source=Form(
        "follow the link under Data Records of https://www.nature.com/articles/s41597-022-01222-8 "
        "and fetch the archive with a browser",
        summary="by hand",
    ),
)

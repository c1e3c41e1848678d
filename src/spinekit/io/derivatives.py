"""Names of this package's files among BIDS derivatives, and of what they are.

It knows entities and suffixes of BIDS, no file; where the files of a scan go is the layouts'
knowledge.
"""

from __future__ import annotations

import re

LABELS = re.compile(
    r"(?P<entities>sub-[A-Za-z0-9_-]+)_space-orig_seg-(?P<kind>spine|parts|levels)"
    r"(?P<res>_res-1mm)?_desc-(?P<suffix>[A-Za-z0-9]+)_dseg\.(?P<fmt>nii(?:\.gz)?)"
)
"""Name of a label map; `res` is there where it does not lie on the scan's own grid."""
_SOFT = re.compile(
    r"(?P<entities>sub-[A-Za-z0-9_-]+)_space-orig(?:_res-1mm)?_label-(?:cord|canal)"
    r"_desc-(?P<suffix>[A-Za-z0-9]+)_probseg\.nii(?:\.gz)?"
)
_RESAMPLED = re.compile(
    r"(?P<entities>sub-[A-Za-z0-9_-]+)_space-orig_res-1mm_desc-resampled"
    r"_(?P<suffix>[A-Za-z0-9]+)\.nii(?:\.gz)?"
)
_RES = "_res-1mm_"
PREPARED = "prepared"
"""The entity `desc-` of a prepared set's images."""


def split_derived(name: str) -> tuple[str, str] | None:
    """Stem of the raw scan, and what a file of its result is, by the file's name.

    Args:
        name: Of the file.

    Returns:
        Stem, and `dseg`, `parts`, `levels`, `probseg` or `image`; None for any other name.
    """
    for pattern, kind in ((LABELS, ""), (_SOFT, "probseg"), (_RESAMPLED, "image")):
        match = pattern.fullmatch(name)
        if match is not None:
            kind = kind or match["kind"].replace("spine", "dseg")
            return f"{match['entities']}_{match['suffix']}", kind
    return None


def is_resampled(name: str) -> bool:
    """Whether a file of a result does not lie on the scan's own grid, by its name."""
    return _RES in name and split_derived(name) is not None


def prepared_pair(stem: str, suffix: str) -> tuple[str, str]:
    """Names of image and label map in a prepared set, without ending.

    Args:
        stem: Entities of the scan, such as `sub-1_ses-a_run-2`.
        suffix: Of the image, such as `T2w`.
    """
    # Contrasts of one session would share the name of their label maps.
    desc = PREPARED if suffix == "T2w" else f"{PREPARED}{suffix}"
    return f"{stem}_desc-{PREPARED}_{suffix}", f"{stem}_desc-{desc}_dseg"


def prepared_labels(image: str) -> str | None:
    """Name of the label map of a prepared image, both without ending; None for any other name."""
    stem, desc, suffix = image.rpartition(f"_desc-{PREPARED}_")
    return prepared_pair(stem, suffix)[1] if desc else None

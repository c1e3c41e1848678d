"""What a mask's values mean: by its set, and by the names that 3D Slicer keeps in its file.

It knows headers of files, no voxels.
"""

from __future__ import annotations

from collections.abc import Collection

from spinekit.anatomy.scheme import NAMES, VALUES
from spinekit.datasets.case import MaskFile
from spinekit.datasets.meaning import values_in
from spinekit.labelling.meanings import Meanings, read_meanings

_SHOWN = 8
"""Names that a text shows."""


def settle_values(mask: MaskFile, present: Collection[int]) -> tuple[dict[int, str], str | None]:
    """What the values of a mask mean, names in its file above what its set says.

    Args:
        mask: The mask. In one of a single structure no name in the file counts.
        present: Its values, without 0.

    Returns:
        Value to name, empty where neither says anything; and what names in the file say against
        values, None where nothing.

    Raises:
        OSError: The file cannot be opened.
    """
    said = values_in(mask, present)
    if mask.binary:
        return said, None
    meanings = read_meanings(mask.path, said, present)
    names = {value: NAMES[VALUES[n]] if n in VALUES else n for value, n in meanings.names.items()}
    return said | names, _tell(meanings)


def _tell(meanings: Meanings) -> str | None:
    """Half a sentence of names that are used against values, and of those that are not used."""
    rows = [
        f"{value} ({name}) is called {meanings.names[value]}"
        for value, name in meanings.overruled.items()
    ]
    rows += [
        f"{value} ({meanings.names.get(value, 'nothing')}) is called {text!r}, which is not used"
        for value, text in meanings.unused.items()
    ]
    more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    return ", ".join(rows[:_SHOWN]) + more if rows else None

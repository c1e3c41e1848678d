"""SPIDER: lumbar MRI of 218 patients with vertebrae, discs and canal, and gradings per disc.

Layout, table columns and label values follow the record's description and the paper. It knows names
of files and tables, nothing of voxels. `overview.csv` also holds dates of birth, which are never
read.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path

from spinekit.core.errors import InputError
from spinekit.datasets.case import Case
from spinekit.datasets.entry import Entry, Settings
from spinekit.datasets.meaning import mask_file
from spinekit.datasets.sources import Zenodo

LAYOUT = """\
images/{patient}_{t1,t2,t2_SPACE}.mha
masks/{patient}_{t1,t2,t2_SPACE}.mha
overview.csv                 new_file_name, subset, sex, num_vertebrae, Manufacturer …
radiological_gradings.csv    Patient, IVD label (1 = L5-S1, upward), Modic … Pfirrman grade
"""

LABELS = """\
1–25 vertebrae from the lowest (1 = L5), 101–125 the same where only partly in view,
100 spinal canal with cord, 201–225 discs from the lowest (201 = L5-S1); the sacrum is not marked"""

CONTRASTS = {"t1": "T1w", "t2": "T2w", "t2_SPACE": "T2SPACE"}
_NAME = re.compile(r"(\d+)_(t1|t2_SPACE|t2)")
_FACTS = {
    "sex": "sex",
    "subset": "split",
    "num_vertebrae": "vertebrae",
    "num_discs": "discs",
    "Manufacturer": "manufacturer",
    "ManufacturerModelName": "scanner",
    "MagneticFieldStrength": "field_strength",
}
"""Columns of the overview that are repeated, and under which name."""


def find(root: Path, settings: Settings) -> list[Case]:
    """Every series of the folder `images`.

    Args:
        root: Holds `images` and `masks`.
        settings: None are known.

    Returns:
        Cases by name. Empty without images.

    Raises:
        InputError: The overview cannot be read.
    """
    facts = _overview(root / "overview.csv")
    cases = []
    for path in sorted((root / "images").glob("*.mha")):
        match = _NAME.fullmatch(path.stem)
        if match is None:
            continue
        mask = root / "masks" / path.name
        cases.append(
            Case(
                name=path.stem,
                dataset="spider",
                subject=match.group(1),
                image=path,
                masks=(mask_file(mask, "spider"),) if mask.is_file() else (),
                contrast=CONTRASTS[match.group(2)],
                facts=facts.get(path.stem, {}),
            )
        )
    return cases


def _overview(path: Path) -> dict[str, Mapping[str, str]]:
    """Facts by series; none where the table is absent."""
    if not path.is_file():
        return {}
    try:
        rows = list(csv.DictReader(path.read_text("utf-8-sig").splitlines()))
        return {
            row["new_file_name"]: {
                name: value.strip()
                for column, name in _FACTS.items()
                if (value := row.get(column) or "").strip() not in ("", "nan", "n/a")
            }
            for row in rows
        }
    except (OSError, UnicodeDecodeError, KeyError, csv.Error) as error:
        raise InputError(
            "bad-table", f"{path.name}: {type(error).__name__}: {error}", "fetch it again"
        ) from error


def recognise(root: Path) -> bool:
    """Whether images and masks bear SPIDER's names."""
    found = next((root / "images").glob("*_t[12]*.mha"), None)
    return found is not None and _NAME.fullmatch(found.stem) is not None


ENTRY = Entry(
    name="spider",
    title="SPIDER: lumbar spine MRI with vertebrae, discs and canal (447 series, 218 patients)",
    citation="van der Graaf et al., Lumbar spine segmentation in MR images: a dataset and a public "
    "benchmark, Sci Data 11, 264 (2024), doi:10.1038/s41597-024-03090-w",
    licence="CC BY 4.0",
    homepage="https://zenodo.org/records/10159290",
    layout=LAYOUT,
    labels=LABELS,
    find=find,
    recognise=recognise,
    source=Zenodo(("10159290",), ("images.zip", "masks.zip", "*.csv")),
)

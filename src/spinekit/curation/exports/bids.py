"""BIDS derivatives: `bids/sub-…/anat/…_desc-prepared_T2w` with `_desc-prepared_dseg` beside it.

What is prepared is no raw data, so the folder calls itself a derivative. It knows names, no voxels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from spinekit import __version__
from spinekit.curation.exports.task import Export, Plan, Task
from spinekit.curation.prepared import Output, PreparedSet, put_file
from spinekit.io.writing import write_bytes, write_json

FOLDER = "bids"
_SUFFIXES = {
    "T1w": ("", "T1w"), "T2w": ("", "T2w"), "T1": ("", "T1w"), "T2": ("", "T2w"),
    "PDw": ("", "PDw"), "PD": ("", "PDw"), "FLAIR": ("", "FLAIR"), "T2starw": ("", "T2starw"),
    "T2star": ("", "T2starw"), "STIR": ("STIR", "T2w"), "T2SPACE": ("SPACE", "T2w"),
    "CT": ("", "ct"),
}  # fmt: skip
"""Contrast → acquisition and suffix; others become an acquisition with the suffix `MRI`."""


def bids_paths(prepared: PreparedSet) -> Iterator[tuple[Output, Path, Path]]:
    """Every pair with the places of its two files inside the folder."""
    used: dict[str, int] = {}
    subjects: dict[str, tuple[str, str]] = {}
    for output in prepared.outputs():
        record = output.record
        subject = _subject((record["dataset"], record["subject"]), subjects)
        contrast = record["contrast"] or ""
        acquisition, suffix = _SUFFIXES.get(contrast, (_word(contrast), "MRI"))
        session = _word(record["session"] or "")
        kind = "" if output.kind == "whole" else _word(output.name.rsplit("_", 1)[-1])
        stem = f"sub-{subject}" + (f"_ses-{session}" if session else "")
        stem += f"_acq-{acquisition}{kind}" if acquisition or kind else ""
        key = f"{stem}_{suffix}"
        used[key] = used.get(key, 0) + 1
        stem += f"_run-{used[key]}" if used[key] > 1 else ""
        folder = Path(f"sub-{subject}") / (f"ses-{session}" if session else "") / "anat"
        # Contrasts of one session would share the name of their label maps.
        desc = "prepared" if suffix == "T2w" else f"prepared{suffix}"
        yield (
            output,
            folder / f"{stem}_desc-prepared_{suffix}.nii.gz",
            folder / f"{stem}_desc-{desc}_dseg.nii.gz",
        )


def _subject(patient: tuple[str, str], taken: dict[str, tuple[str, str]]) -> str:
    """A word for a patient of a set that no other has: `1_1` and `11` are two."""
    plain = _word("".join(patient)) or "x"
    words = (plain if number == 1 else f"{plain}x{number}" for number in count(1))
    return next(word for word in words if taken.setdefault(word, patient) == patient)


def _plan(prepared: PreparedSet) -> Plan:
    root = prepared.folder / FOLDER
    return Plan(
        [
            Task(output.name, _put, (output.image, root / image, output.labels, root / labels))
            for output, image, labels in bids_paths(prepared)
        ]
    )


def _put(image: Path, image_target: Path, labels: Path, labels_target: Path) -> None:
    put_file(image, image_target, share=True)
    put_file(labels, labels_target, share=False)


def _finish(prepared: PreparedSet, names: Sequence[str]) -> None:
    """Write the description, the participants and the table of labels."""
    root = prepared.folder / FOLDER
    write_json(
        root / "dataset_description.json",
        {
            "Name": prepared.recipe.name,
            "BIDSVersion": "1.9.0",
            "DatasetType": "derivative",
            "GeneratedBy": [{"Name": "SpineKit", "Version": __version__}],
        },
    )
    rows = ["index\tname\tcolor"]
    for row in prepared.table["labels"]:
        red, green, blue = row["colour"]
        rows.append(f"{row['value']}\t{row['name']}\t#{red:02x}{green:02x}{blue:02x}")
    write_bytes(root / "dseg.tsv", ("\n".join(rows) + "\n").encode())
    people: dict[str, dict[str, Any]] = {}
    for output, image, _ in bids_paths(prepared):
        people.setdefault(
            image.parts[0], {"dataset": output.record["dataset"], "part": output.part}
        )
    lines = ["participant_id\tdataset\tsplit"]
    lines += [f"{who}\t{row['dataset']}\t{row['part']}" for who, row in sorted(people.items())]
    write_bytes(root / "participants.tsv", ("\n".join(lines) + "\n").encode())


def _word(text: str) -> str:
    """Letters and digits only, as BIDS wants values."""
    return re.sub(r"[^A-Za-z0-9]", "", text)


EXPORT = Export(_plan, _finish, (FOLDER,))

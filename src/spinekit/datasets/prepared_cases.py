"""A set that `spinekit data prepare` made, as one to be prepared, shown or examined again.

Its records tell whose scan each is and what its values mean. Crops and changed copies are no cases:
they are made anew, so that none stands beside its own scan in another part of a split.
"""

from __future__ import annotations

from pathlib import Path

from spinekit.anatomy.scheme import NAMES
from spinekit.core.errors import InputError
from spinekit.datasets.case import Case, MaskFile
from spinekit.datasets.entry import Entry, Settings
from spinekit.datasets.prepared import read_records
from spinekit.datasets.sources import Own

LAYOUT = """\
cases/{name}.json             whose scan it is, what its label map holds
images/{name}.nii.gz
labels/{name}.nii.gz
splits.json, labels.json      of which set and patient, values
"""


def find(root: Path, settings: Settings) -> list[Case]:
    """The whole scan of every case that was prepared.

    Args:
        root: The OUT of `spinekit data prepare`.
        settings: None are known.

    Returns:
        Cases by name, each with the set and the patient that it was taken from; those that the set
        held once are none. Empty without records.

    Raises:
        InputError: A file of the set cannot be read, or says what none says.
    """
    cases: list[Case] = []
    if not recognise(root):
        return cases
    for record, pairs in read_records(root):
        try:
            whole = next(output for output in record["outputs"] if output["kind"] == "whole")
            if whole["name"] not in pairs:
                continue
            owner = pairs[whole["name"]]
            values = {
                int(row["value"]): NAMES[int(row["spinekit_value"])] for row in whole["structures"]
            }
            mask = MaskFile(root / whole["labels"], values, bodies_only=bool(record["bodies_only"]))
            cases.append(
                Case(
                    name=str(record["name"]),
                    dataset=str(owner["dataset"]),
                    subject=str(owner["subject"]),
                    image=root / whole["image"],
                    masks=(mask,) if values else (),
                    session=record["session"],
                    contrast=record["contrast"],
                    shown=tuple(map(str, record["shown"])),
                    facts={**record["facts"], **_anomalies(record["anomaly"])},
                )
            )
        except (KeyError, TypeError, ValueError, StopIteration) as error:
            raise InputError(
                "not-prepared",
                f"{root}: a record of a case says not what it should "
                f"({type(error).__name__}: {error})",
                "run `spinekit data prepare` again, or name another layout: --dataset folder",
            ) from error
    return cases


def _anomalies(word: str) -> dict[str, str]:
    """The fact of an unusual column, which structures chosen since may not show any more."""
    return {} if word == "none" else {"anomalies": word}


def recognise(root: Path) -> bool:
    """Whether a folder has records of prepared cases, and the recipe or the split over them.

    A set whose making was interrupted has no split yet; as a folder of images and masks its copies
    would pass for patients.
    """
    is_set = any((root / name).is_file() for name in ("recipe.json", "splits.json"))
    return is_set and any((root / "cases").glob("*.json"))


ENTRY = Entry(
    name="prepared",
    title="A set that `spinekit data prepare` made",
    citation="none: cite the sets that it was made of",
    licence="those of the sets that it was made of",
    homepage="`spinekit data prepare --help`",
    layout=LAYOUT,
    labels="what each case's record says",
    find=find,
    recognise=recognise,
    source=Own("make one with `spinekit data prepare`"),
    tells_patients=True,
)

"""BIDS derivatives: `bids/sub-…/anat/…_desc-prepared_T2w` with `_desc-prepared_dseg` beside it.

What is prepared is no raw data, so the folder calls itself a derivative. It knows names, no voxels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count

from spinekit import __version__
from spinekit.curation.exports.placed import Copy, Place, Placing, State, list_placed
from spinekit.curation.exports.task import Export, Plan
from spinekit.curation.prepared import Output, PreparedSet
from spinekit.io.derivatives import prepared_pair
from spinekit.io.writing import write_bytes, write_json
from spinekit.layouts.bids import DESCRIPTION, VERSION, format_table

FOLDER = "bids"
_ENDING = ".nii.gz"
_LABELS = f"_dseg{_ENDING}"
_SUFFIXES = {
    "T1w": ("", "T1w"), "T2w": ("", "T2w"), "T1": ("", "T1w"), "T2": ("", "T2w"),
    "PDw": ("", "PDw"), "PD": ("", "PDw"), "FLAIR": ("", "FLAIR"), "T2starw": ("", "T2starw"),
    "T2star": ("", "T2starw"), "STIR": ("STIR", "T2w"), "T2SPACE": ("SPACE", "T2w"),
    "CT": ("", "ct"),
}  # fmt: skip
"""Contrast → acquisition and suffix; others become an acquisition with the suffix `MRI`."""


@dataclass(frozen=True)
class _Name:
    """What the two files of a pair are called, but for the number of the run."""

    folder: str
    stem: str
    suffix: str

    def paths(self, number: int) -> tuple[str, str]:
        """Image and label map of a run, within the layout's folder."""
        stem = f"{self.folder}/{self.stem}" + (f"_run-{number}" if number > 1 else "")
        image, labels = prepared_pair(stem, self.suffix)
        return f"{image}{_ENDING}", f"{labels}{_ENDING}"


def _plan(prepared: PreparedSet) -> Plan:
    placing = Placing(prepared.folder / FOLDER)
    found = list(_find_paths(list(prepared.outputs()), placing))
    used = {path for _, paths in found for path in paths}
    for output, paths in found:
        former = [path for path in placing.paths_of(output.name) if path not in used]
        placing.put(output.name, _places(output, paths, former))
    return placing.close([f"sub-*/**/*{_ENDING}"])


def _places(output: Output, paths: tuple[str, str], former: Sequence[str]) -> list[Place]:
    """Image and labels; `former` is where a pair lies whose name was another before."""
    image, labels = (
        next((path for path in former if path.endswith(_LABELS) is is_labels), "")
        for is_labels in (False, True)
    )
    images, maps = _contents(output)
    return [Place(paths[0], images, image), Place(paths[1], maps, labels)]


def _contents(output: Output) -> tuple[Copy, Copy]:
    return Copy(output.image, share=True), Copy(output.labels)


def _find_paths(
    outputs: Sequence[Output], placing: Placing
) -> Iterator[tuple[Output, tuple[str, str]]]:
    """Every pair with the paths of its two files: those it had, for a new one the next free."""
    words = _find_words(outputs, placing)
    names = {o.name: _name(o, words[_patient(o)]) for o in outputs}
    known = {o.name: _listed_numbers(o, names[o.name], placing) for o in outputs}
    used: set[str] = set()
    for output in sorted(outputs, key=lambda output: not known[output.name]):
        numbers = chain(known[output.name], count(1))
        paths = next(
            paths
            for paths in map(names[output.name].paths, numbers)
            if paths[0] not in used and _is_free(paths, output, placing)
        )
        used.update(paths)
        yield output, paths


def _listed_numbers(output: Output, name: _Name, placing: Placing) -> list[int]:
    """The number of the run that a pair was given before; none where its name is another now."""
    numbers = []
    for path in placing.paths_of(output.name):
        run = re.search(r"_run-([0-9]+)_desc", path)
        number = int(run[1]) if run else 1
        if path in name.paths(number):
            numbers.append(number)
    return numbers


def _is_free(paths: tuple[str, str], output: Output, placing: Placing) -> bool:
    """Whether a pair can have these paths: it had one, or nothing of a person's is there."""
    if set(paths) & set(placing.paths_of(output.name)):
        return True
    image, labels = (
        placing.look(path, output.name, content)
        for path, content in zip(paths, _contents(output), strict=True)
    )
    return image is State.OURS or State.THEIRS not in (image, labels)


def _name(output: Output, subject: str) -> _Name:
    record = output.record
    contrast = record["contrast"] or ""
    acquisition, suffix = _SUFFIXES.get(contrast, (_word(contrast), "MRI"))
    session = _word(record["session"] or "")
    kind = "" if output.kind == "whole" else _word(output.name.rsplit("_", 1)[-1])
    stem = f"sub-{subject}" + (f"_ses-{session}" if session else "")
    stem += f"_acq-{acquisition}{kind}" if acquisition or kind else ""
    folder = f"sub-{subject}" + (f"/ses-{session}" if session else "") + "/anat"
    return _Name(folder, stem, suffix)


def _patient(output: Output) -> tuple[str, str]:
    return output.record["dataset"], output.record["subject"]


def _find_words(outputs: Sequence[Output], placing: Placing) -> dict[tuple[str, str], str]:
    """A word for every patient that no other has, `1_1` and `11` being two; one had is kept."""
    words: dict[tuple[str, str], str] = {}
    taken: dict[str, tuple[str, str]] = {}
    for output in outputs:
        patient = _patient(output)
        for path in placing.paths_of(output.name):
            word = path.split("/")[0].removeprefix("sub-")
            is_its = re.fullmatch(f"{_plain(patient)}(x[0-9]+)?", word)
            if is_its and patient not in words and taken.setdefault(word, patient) == patient:
                words[patient] = word
    for patient in map(_patient, outputs):
        if patient not in words:
            plain = _plain(patient)
            free = (plain if number == 1 else f"{plain}x{number}" for number in count(1))
            words[patient] = next(w for w in free if taken.setdefault(w, patient) == patient)
    return words


def _plain(patient: tuple[str, str]) -> str:
    return _word("".join(patient)) or "x"


def _finish(prepared: PreparedSet, names: Sequence[str]) -> None:
    """Write the list, the description, the participants and the table of labels."""
    root = prepared.folder / FOLDER
    placed = list_placed(root, names)
    write_json(
        root / DESCRIPTION,
        {
            "Name": prepared.recipe.name,
            "BIDSVersion": VERSION,
            "DatasetType": "derivative",
            "GeneratedBy": [{"Name": "SpineKit", "Version": __version__}],
        },
    )
    rows = [(row["value"], row["name"], row["colour"]) for row in prepared.table["labels"]]
    write_bytes(root / "dseg.tsv", format_table(rows))
    outputs = {output.name: output for output in prepared.outputs()}
    people = {
        path.split("/")[0]: outputs[row["pair"]]
        for path, row in placed.items()
        if row["pair"] in outputs
    }
    lines = ["participant_id\tdataset\tsplit"]
    lines += [f"{who}\t{o.record['dataset']}\t{o.part}" for who, o in sorted(people.items())]
    write_bytes(root / "participants.tsv", ("\n".join(lines) + "\n").encode())


def _word(text: str) -> str:
    """Letters and digits only, as BIDS wants values."""
    return re.sub(r"[^A-Za-z0-9]", "", text)


EXPORT = Export(_plan, _finish, (FOLDER,))

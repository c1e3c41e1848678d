"""Whose scan a case of a prepared set is: its set, its patient, and who shares images.

It knows jobs and records, and no files but tables of patients.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spinekit.curation.preparation import Job
from spinekit.curation.splits import Owner, join_groups
from spinekit.datasets.folder import told_subjects
from spinekit.datasets.naming import subject_of
from spinekit.datasets.registry import entry_named
from spinekit.datasets.sources import Own


def origins_of(jobs: Sequence[Job]) -> dict[str, str]:
    """Case → the set that it was taken from, as training tells patients of several sets apart.

    Folders of one's own are called by their last names, or as their layout. Where these are alike
    and the folders are not, a patient of one is none of another: the source's own name counts.
    """
    by_folder = [job for job in jobs if _is_called_by_folder(job)]
    folders: dict[str, set[Path]] = {}
    for job in by_folder:
        folders.setdefault(job.case.dataset, set()).add(job.source.folder.resolve())
    own_names = {
        job.name: job.source.name
        for job in by_folder
        if job.source.name and len(folders[job.case.dataset]) > 1
    }
    return {job.name: job.case.dataset for job in jobs} | own_names


def owners_of(
    jobs: Sequence[Job], records: Sequence[dict[str, Any]], origins: Mapping[str, str]
) -> list[Owner]:
    """Whose the prepared cases are, as their sets say it."""
    groups = groups_of(records, origins)
    known = {job.name: job for job in jobs}
    told = functools.cache(told_subjects)
    owners = []
    for record in records:
        job = known[record["name"]]
        entry = entry_named(job.source.dataset)
        owners.append(
            Owner(
                groups[patient_of(record, origins)],
                record["dataset"],
                record["subject"],
                published="" if isinstance(entry.source, Own) else entry.name,
                is_told=_is_told(job, told),
                has_setting="subject" in entry.settings,
            )
        )
    return owners


def groups_of(records: Sequence[dict[str, Any]], origins: Mapping[str, str]) -> dict[str, str]:
    """Patient → the first of those who share an image with them."""
    return join_groups(
        [(patient_of(record, origins), record["inputs"][0]["sha256"]) for record in records]
    )


def patient_of(record: Mapping[str, Any], origins: Mapping[str, str]) -> str:
    """Set and patient of a case, as a word that no other patient has.

    The set is the one that the scan was taken from: sources of several names may share it, and one
    of one name may hold scans of several.
    """
    return f"{origins[record['name']]}/{record['subject']}"


def _is_called_by_folder(job: Job) -> bool:
    """Whether nothing but its folder's name, or its layout's, says which set a case is of."""
    entry = entry_named(job.source.dataset)
    if not isinstance(entry.source, Own) or "dataset" in job.source.settings:
        return False
    return job.case.dataset in (entry.name, job.source.folder.resolve().name)


def _is_told(job: Job, told: Callable[[Path], frozenset[str]]) -> bool:
    """Whether a setting, a table or the set's own list says who the patient is, not the name."""
    source, settings = job.source, job.source.settings
    entry = entry_named(source.dataset)
    if entry.tells_patients:
        return True
    if "subject" not in entry.settings:
        return job.case.subject != subject_of(job.case.name)
    if "subject" in settings or "{subject}" in str(settings.get("images")):
        return True
    return "table" in settings and job.case.name in told(source.folder / settings["table"])

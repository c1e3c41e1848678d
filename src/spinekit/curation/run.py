"""A recipe in, a prepared set out: every case on its own, then parts, table, layouts and report.

It joins the steps for a set; what is done to one case, it does not know.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spinekit.core.errors import SpineKitError, UsageError, describe
from spinekit.core.parallel import LOST, each
from spinekit.curation.axes import BY_REPORT
from spinekit.curation.belongings import RECIPE, finish, refuse_others
from spinekit.curation.encoding import Encoder
from spinekit.curation.exports.registry import ALL
from spinekit.curation.exports.task import Task
from spinekit.curation.ownership import groups_of, origins_of, owners_of, patient_of
from spinekit.curation.preparation import Job, has_other_options, is_done, prepare_case
from spinekit.curation.prepared import PreparedSet
from spinekit.curation.recipe import PrepareRecipe, Source
from spinekit.curation.repair import read_report
from spinekit.curation.report import build_report, render_report
from spinekit.curation.splits import Member, doubt_patients, split_cases
from spinekit.curation.touched import keep_touched
from spinekit.datasets.registry import find_cases
from spinekit.io.staging import refuse_inside
from spinekit.io.writing import write_bytes, write_json


@dataclass(frozen=True)
class Outcome:
    """What became of a case."""

    name: str
    status: str
    """`done`, `skipped` (done before) or `failed`."""
    code: str = ""
    message: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


Progress = Callable[[Outcome], None]


def plan_jobs(recipe: PrepareRecipe, out: Path) -> list[Job]:
    """Find the cases of every source and name them, before anything runs.

    Raises:
        UsageError: There is no source, no case, two cases of one name, or OUT lies in a source.
        SpineKitError: A source cannot be listed.
    """
    if not recipe.sources:
        raise UsageError("no-sources", "the recipe names no set", "add [[sources]], or give one")
    jobs: list[Job] = []
    for source in recipe.sources:
        refuse_inside(out, source.folder)
        found = _axes_found(source)
        for case in find_cases(source.folder, source.dataset, source.settings):
            wanted = [words for words in (recipe.contrasts, source.contrasts) if words]
            if not all(case.contrast in words for words in wanted):
                continue
            group = source.name or case.dataset
            name = case.name if len(recipe.sources) == 1 else f"{group}_{case.name}"
            jobs.append(Job(name, case, _for_case(source, case.name, found), recipe, out))
    _check_names(jobs)
    return sorted(jobs, key=lambda job: job.name)


def _axes_found(source: Source) -> Mapping[str, str] | None:
    """Case → letters by the doctor's report that a source names; None where it names none."""
    if not source.fix_axes.endswith(BY_REPORT):
        return None
    return read_report(Path(os.path.expandvars(source.fix_axes)).expanduser())


def _for_case(source: Source, name: str, found: Mapping[str, str] | None) -> Source:
    """The source with the report's letters for this case in the report's place."""
    if found is None:
        return source
    if name not in found:
        raise UsageError(
            "not-examined",
            f"{source.fix_axes} does not know the case {name}",
            "run `spinekit data doctor` over this set again",
        )
    return dataclasses.replace(source, fix_axes=found[name])


def prepare_set(
    recipe: PrepareRecipe,
    out: Path,
    *,
    processes: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
    planned: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Prepare every case of a recipe and write the set.

    A case that was done with the same options from the same inputs is left as it is, with what a
    person has changed in its files since, and none such is made anew; one that fails is reported
    and the rest go on. An image with nothing marked, for want of a mask or in
    it, is brought into the set's frame, but is in no part of the split and in no layout, and is
    named in the report.

    Args:
        recipe: What is to be done.
        out: Folder of the set.
        processes: Cases at a time.
        overwrite: Do cases again that were made with other options.
        progress: Told of every case as it ends.
        planned: Told how many cases there are.

    Returns:
        The report, as written to `report.json`.

    Raises:
        UsageError: Nothing could start, see `plan_jobs`; or cases are there that were made with
            other options, or files that were not made here, which `overwrite` does not replace.
        OutputError: The set's own files cannot be written.
    """
    jobs = plan_jobs(recipe, out)
    if planned is not None:
        planned(len(jobs))
    layouts = [place for name in recipe.exports for place in ALL[name].places]
    refuse_others(out, [(job.record, job.outputs) for job in jobs], layouts)
    _check_options(jobs, overwrite=overwrite)
    write_json(out / RECIPE, recipe.to_dict())
    outcomes: list[Outcome] = []
    for outcome in each(_attempt, jobs, lost=_lose, processes=processes):
        outcomes.append(outcome)
        if progress is not None:
            progress(outcome)
    outcomes.sort(key=lambda outcome: outcome.name)
    good = {outcome.name for outcome in outcomes if outcome.status != "failed"}
    records = tuple(json.loads(job.record.read_bytes()) for job in jobs if job.name in good)
    origins = origins_of(jobs)
    prepared = _describe_set(recipe, out, records, origins)
    exported = {name: _export(name, prepared, processes) for name in recipe.exports}
    report = build_report(
        prepared,
        [dataclasses.asdict(outcome) for outcome in outcomes],
        exported,
        stale=_stale(out, jobs),
        unmarked=[record["name"] for record in records if not _is_marked(record)],
    )
    report["doubts"] = doubt_patients(owners_of(jobs, records, origins))
    _write_reports(out, report, outcomes)
    return report


def _write_reports(out: Path, report: dict[str, Any], outcomes: Sequence[Outcome]) -> None:
    """Write what was done for machines and for persons, and what failed."""
    write_json(out / "report.json", report)
    lines = [render_report(report)]
    if report["doubts"]:
        lines += ["", "patients in doubt", *(f"  {text}" for text in report["doubts"])]
    write_bytes(out / "report.txt", ("\n".join(lines) + "\n").encode())
    failures = [
        {"input": row.name, "code": row.code, "message": row.message}
        for row in outcomes
        if row.status == "failed"
    ]
    write_json(out / "failures.json", failures)


def _attempt(job: Job) -> Outcome:
    """Prepare a case unless that was done; a failure comes as an outcome too."""
    try:
        state = is_done(job)
        if state in ("done", "touched"):
            finish(job.record)
            record = keep_touched(job.record, job.recipe) if state == "touched" else {}
            return Outcome(job.name, "skipped", notices=_texts(record))
        record = prepare_case(job)
        return Outcome(job.name, "done", seconds=record["seconds"], notices=_texts(record))
    except Exception as error:
        code, text = describe(error)
        is_defect = code == "unexpected"
        return Outcome(
            job.name, "failed", code, f"a defect of this program: {text}" if is_defect else text
        )


def _texts(record: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(row["text"] for row in record.get("notices", ()))


def _lose(job: Job) -> Outcome:
    """The outcome of a case whose process the system has ended."""
    return Outcome(job.name, "failed", "process-ended", LOST)


def _describe_set(
    recipe: PrepareRecipe,
    out: Path,
    records: tuple[dict[str, Any], ...],
    origins: Mapping[str, str],
) -> PreparedSet:
    """Write who trains and who tests, of which set and patient they are, what the values mean."""
    groups = groups_of(records, origins)
    patients = {record["name"]: patient_of(record, origins) for record in records}
    split = {"seed": recipe.seed, "by": "patient", "stratify": list(recipe.stratify)}
    split |= _split(recipe, records, {name: groups[patient] for name, patient in patients.items()})
    subjects = {patients[record["name"]]: record["subject"] for record in records}
    split["pairs"] = {
        row["name"]: {
            "dataset": origins[record["name"]],
            "subject": subjects[groups[patients[record["name"]]]],
        }
        for record in records
        for row in record["outputs"]
    }
    maps = [
        {row["spinekit_value"]: row["value"] for row in output["structures"]}
        for record in records
        for output in record["outputs"]
    ]
    table = Encoder.of(recipe).describe(recipe.name, maps)
    write_json(out / "splits.json", split)
    write_json(out / "labels.json", table)
    return PreparedSet(out, recipe, records, split, table)


def _split(
    recipe: PrepareRecipe, records: Sequence[dict[str, Any]], groups: Mapping[str, str]
) -> dict[str, Any]:
    """Parts by names of pairs: crops go with their case, changed copies only train.

    `groups` tells by the name of a case with whom its patient stays together.
    """
    members = [
        Member(
            record["name"],
            groups[record["name"]],
            tuple(str(record[key]) for key in recipe.stratify),
        )
        for record in records
        if _is_marked(record)
    ]
    split = split_cases(
        members,
        validation=recipe.validation,
        test=recipe.test,
        folds=recipe.folds,
        seed=recipe.seed,
    ).to_dict()
    pairs = {record["name"]: record["outputs"] for record in records}

    def expand(names: Sequence[str], *, copies: bool) -> list[str]:
        return [
            row["name"]
            for name in names
            for row in pairs[name]
            if copies or row["kind"] != "augmented"
        ]

    return {
        "train": expand(split["train"], copies=True),
        "validation": expand(split["validation"], copies=False),
        "test": expand(split["test"], copies=False),
        "folds": [
            {
                "train": expand(fold["train"], copies=True),
                "validation": expand(fold["validation"], copies=False),
            }
            for fold in split["folds"]
        ],
    }


def _is_marked(record: dict[str, Any]) -> bool:
    """Whether a case has more than its image; without, it would teach that there is nothing."""
    return bool(record["outputs"][0]["structures"])


def _export(name: str, prepared: PreparedSet, processes: int) -> dict[str, Any]:
    """Write a layout; what fails, or cannot be held, is listed."""
    plan = ALL[name].plan(prepared)
    done = list(plan.present)
    left_out = list(plan.left_out)
    results = each(_attempt_task, plan.tasks, lost=_lose_task, processes=processes)
    for task, problem in results:
        if problem is None:
            done.append(task)
        else:
            left_out.append({"name": task, "reason": problem})
    ALL[name].finish(prepared, sorted(done))
    return {"pairs": len(done), "left_out": sorted(left_out, key=lambda row: str(row["name"]))}


def _attempt_task(task: Task) -> tuple[str, str | None]:
    try:
        task.work(*task.arguments)
    except (SpineKitError, OSError) as error:
        return task.name, str(error)
    return task.name, None


def _lose_task(task: Task) -> tuple[str, str | None]:
    return task.name, LOST


def _check_names(jobs: Sequence[Job]) -> None:
    """Refuse no case, and two that would write the same files."""
    if not jobs:
        raise UsageError(
            "no-cases", "no case of these contrasts", "see `spinekit data show`, or the contrasts"
        )
    seen: set[str] = set()
    for name in (name for job in jobs for name in job.outputs):
        if name in seen:
            raise UsageError(
                "same-output",
                f"two cases, or a case and another's crop or copy, are called {name}",
                "give the sources different names: name = …; or rename one",
            )
        seen.add(name)


def _check_options(jobs: Sequence[Job], *, overwrite: bool) -> None:
    """Refuse to replace what was made with other options unasked."""
    if overwrite:
        return
    other = [job.name for job in jobs if has_other_options(job)]
    if other:
        raise UsageError(
            "other-options",
            f"{len(other)} cases such as {other[0]} were made with other options",
            "add --overwrite, or choose another OUT",
        )


def _stale(out: Path, jobs: Sequence[Job]) -> list[str]:
    """Cases in the folder that the recipe does not ask for; they are in no part and no layout."""
    names = {job.name for job in jobs}
    return sorted(p.stem for p in (out / "cases").glob("*.json") if p.stem not in names)

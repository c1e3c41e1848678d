"""The report of a prepared set: counts, conflicts, losses; as plain values and as a table.

It knows records, no files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from spinekit import __version__
from spinekit.anatomy.scheme import VALUES
from spinekit.curation.prepared import PreparedSet

_SHOWN = 12
"""Rows of a list that the table shows; the JSON has them all."""


def build_report(
    prepared: PreparedSet,
    outcomes: Sequence[dict[str, Any]],
    exports: dict[str, Any],
    *,
    stale: Sequence[str],
    unmarked: Sequence[str],
) -> dict[str, Any]:
    """Sum up a run.

    Args:
        prepared: The set.
        outcomes: A row per case: name, status, code, message, seconds.
        exports: By layout: pairs written, pairs left out.
        stale: Cases in the folder that the recipe does not ask for.
        unmarked: Cases with nothing marked, which are in no part and no layout.

    Returns:
        Plain values; zeros and empty lists for an empty set.
    """
    records = prepared.records
    split = prepared.split
    return {
        "schema_version": 1,
        "spinekit_version": __version__,
        "name": prepared.recipe.name,
        "counts": {
            "cases": len(outcomes),
            **{s: _count(outcomes, s) for s in ("done", "skipped", "failed")},
            "pairs": sum(len(record["outputs"]) for record in records),
            "patients": len({(record["dataset"], record["subject"]) for record in records}),
        },
        "datasets": dict(sorted(Counter(record["dataset"] for record in records).items())),
        "contrasts": dict(sorted(Counter(r["contrast"] or "not stated" for r in records).items())),
        "anomalies": dict(sorted(Counter(record["anomaly"] for record in records).items())),
        "splits": {part: len(split[part]) for part in ("train", "validation", "test")}
        | {"folds": [len(fold["validation"]) for fold in split["folds"]]},
        "structures": _structures(prepared),
        "varying": prepared.table["varying"],
        "missing": _sum(records, "missing"),
        "conflicts": _conflicts(records),
        "losses": _losses(records),
        "notices": _notices(records),
        "duplicates": _duplicates(records),
        "exports": exports,
        "stale": list(stale),
        "unmarked": list(unmarked),
        "failures": [row for row in outcomes if row["status"] == "failed"],
        "seconds": _seconds(outcomes),
    }


def render_report(report: dict[str, Any]) -> str:
    """Put a report into lines for people."""
    counts = report["counts"]
    lines = [
        f"{report['name']}: {counts['cases']} cases of {counts['patients']} patients: "
        f"{counts['done']} done, {counts['skipped']} done before, {counts['failed']} failed",
        "sets        " + _pairs(report["datasets"]),
        "contrasts   " + _pairs(report["contrasts"]),
        "anomalies   " + _pairs(report["anomalies"]),
        "parts       " + _pairs({k: v for k, v in report["splits"].items() if k != "folds"}),
    ]
    if report["splits"]["folds"]:
        lines.append("folds       " + ", ".join(map(str, report["splits"]["folds"])))
    lines += ["", f"{'structure':14} {'value':>5} {'pairs':>6} {'voxels':>12}"]
    lines += [
        f"{row['name']:14} {row['value']:5} {row['pairs']:6} {row['voxels']:12}"
        for row in report["structures"]
    ]
    lines += _section(
        "values not the same in all cases, so named in no table (cases/ tells it of each)",
        [f"{row['value']}: {', '.join(row['names'])}" for row in report["varying"]],
    )
    lines += _section("missing", _missing(report))
    lines += _section(
        "conflicts",
        [
            f"{row['first']} / {row['second']}: {row['voxels']} voxels in {row['cases']} cases, "
            f"to {row['winner']}"
            for row in report["conflicts"]
        ],
    )
    lines += _section(
        "losses",
        [
            f"{row['name']} ({row['reason']}): {row['voxels']} voxels in {row['cases']} cases"
            for row in report["losses"]
        ],
    )
    lines += _section(
        "notices",
        [
            f"{row['code']}: in {row['cases']} cases: {', '.join(row['names'][:_SHOWN])}"
            + (" …" if row["cases"] > _SHOWN else "")
            for row in report["notices"]
        ],
    )
    lines += _section("same image", [", ".join(names) for names in report["duplicates"]])
    for layout, row in report["exports"].items():
        lines += ["", f"{layout}: {row['pairs']} pairs"]
        lines += [f"  left out {x['name']}: {x['reason']}" for x in row["left_out"][:_SHOWN]]
    lines += _section("nothing marked, in no part", report["unmarked"])
    lines += _section("not in the recipe", report["stale"])
    lines += _section("failed", [f"{row['name']}: {row['message']}" for row in report["failures"]])
    if report["unmarked"] and not has_pairs(report):
        lines += [
            "",
            f"{report['name']} has no pair to train on: nothing is marked in any of its cases; say "
            "which masks are theirs (`spinekit data show` lists what is found), or what to keep",
        ]
    return "\n".join(lines)


def has_pairs(report: dict[str, Any]) -> bool:
    """Whether a case of the set is in any part, so that something can be trained or tested."""
    return any(report["splits"][part] for part in ("train", "validation", "test"))


def doubt_values(report: dict[str, Any]) -> list[str]:
    """Say in a line which values do not mean the same in all cases; no line for none."""
    values = [str(row["value"]) for row in report["varying"]]
    if not values:
        return []
    shown = ", ".join(values[:_SHOWN]) + (", …" if len(values) > _SHOWN else "")
    return [
        "values that are not the same structure in all cases, so named in no table: "
        f"{shown}; cases/ tells it of each, and with `--scheme spinekit` or `--renumber` every "
        "value has one meaning"
    ]


def _count(outcomes: Sequence[dict[str, Any]], status: str) -> int:
    return sum(row["status"] == status for row in outcomes)


def _pairs(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in counts.items()) or "none"


def _missing(report: dict[str, Any]) -> list[str]:
    """Structures that some cases lack, in the order of values; those that all lack, in a line."""
    cases = sum(report["datasets"].values())
    rows = sorted(report["missing"], key=lambda row: VALUES.get(row["name"], 256))
    lines = [f"{r['name']}: in {r['cases']} of {cases} cases" for r in rows if r["cases"] < cases]
    absent = [row["name"] for row in rows if row["cases"] >= cases]
    return lines + ([f"in no case: {', '.join(absent)}"] if absent else [])


def _section(title: str, rows: Sequence[str]) -> list[str]:
    if not rows:
        return []
    more = [f"  … and {len(rows) - _SHOWN} more"] if len(rows) > _SHOWN else []
    return ["", title, *(f"  {row}" for row in rows[:_SHOWN]), *more]


def _structures(prepared: PreparedSet) -> list[dict[str, Any]]:
    """Every structure and its value, of the table or a pair, with pairs and voxels that have it.

    In the order of the table; those that are in no table come last, by structure.
    """
    rows = [(row["name"], row["value"]) for row in prepared.table["labels"]]
    pairs: Counter[tuple[str, int]] = Counter()
    voxels: Counter[tuple[str, int]] = Counter()
    for record in prepared.records:
        for output in record["outputs"]:
            for row in output["structures"]:
                pairs[row["name"], row["value"]] += 1
                voxels[row["name"], row["value"]] += row["voxels"]
    rows += sorted(pairs.keys() - set(rows), key=lambda row: (VALUES.get(row[0], 256), row[1]))
    return [
        {
            "name": name,
            "value": value,
            "pairs": pairs[name, value],
            "voxels": voxels[name, value],
        }
        for name, value in rows
    ]


def _sum(records: Sequence[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """How many cases list a word under a key, the most frequent first."""
    counts = Counter(word for record in records for word in set(record[key]))
    return [{"name": word, "cases": n} for word, n in counts.most_common()]


def _conflicts(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    rows: dict[tuple[str, str, str], list[int]] = {}
    for record in records:
        for row in record["conflicts"]:
            first, second = sorted((row["first"], row["second"]))
            rows.setdefault((first, second, row["winner"]), []).append(row["voxels"])
    return [
        {"first": a, "second": b, "winner": w, "cases": len(found), "voxels": sum(found)}
        for (a, b, w), found in sorted(rows.items(), key=lambda item: -sum(item[1]))
    ]


def _losses(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    rows: dict[tuple[str, str], list[int]] = {}
    for record in records:
        for row in record["losses"]:
            rows.setdefault((row["name"], row["reason"]), []).append(row["voxels"])
    return [
        {"name": name, "reason": reason, "cases": len(found), "voxels": sum(found)}
        for (name, reason), found in sorted(rows.items(), key=lambda item: -sum(item[1]))
    ]


def _notices(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Code of every notice and the cases that have it, the most frequent first."""
    names: dict[str, list[str]] = {}
    for record in records:
        for code in sorted({row["code"] for row in record["notices"]}):
            names.setdefault(code, []).append(record["name"])
    rows = [{"code": code, "cases": len(of), "names": of} for code, of in names.items()]
    return sorted(rows, key=lambda row: -len(row["names"]))


def _duplicates(records: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Names of cases whose images are the same file, byte for byte."""
    by_hash: dict[str, list[str]] = {}
    for record in records:
        by_hash.setdefault(record["inputs"][0]["sha256"], []).append(record["name"])
    return [names for names in by_hash.values() if len(names) > 1]


def _seconds(outcomes: Sequence[dict[str, Any]]) -> dict[str, float]:
    total: Counter[str] = Counter()
    for row in outcomes:
        total.update(row["seconds"])
    return {key: round(value, 2) for key, value in sorted(total.items())}

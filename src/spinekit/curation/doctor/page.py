"""The diagnosis as one HTML page: pictures inside, no network, filters by finding.

It knows words and pictures, nothing of voxels or files.
"""

from __future__ import annotations

import base64
from collections import Counter, defaultdict
from collections.abc import Mapping
from html import escape
from importlib import resources
from string import Template
from typing import Any

from spinekit import __version__
from spinekit.curation.doctor.examination import Examination
from spinekit.curation.doctor.findings import KINDS, SEVERITIES, WHOLE_SET, Finding
from spinekit.curation.doctor.rounds import Diagnosis
from spinekit.curation.doctor.statistics import describe_set

AXES = {"R": "left–right", "A": "front–back", "S": "up–down"}


def render_page(diagnosis: Diagnosis, *, source: str, dataset: str) -> str:
    """Write the page.

    Args:
        diagnosis: Of a set.
        source: Name of its folder.
        dataset: Layout it was read as.

    Returns:
        HTML that stands alone.
    """
    statistics = describe_set(diagnosis.examinations)
    template = resources.files("spinekit.curation.doctor").joinpath("page.html")
    return Template(template.read_text(encoding="utf-8")).substitute(
        title=escape(f"Doctor's report: {source}"),
        subtitle=escape(
            f"{statistics['cases']} cases of {statistics['subjects']} patients, read as {dataset}"
        ),
        tiles=_tiles(diagnosis, statistics),
        kinds=_kinds(diagnosis),
        filters=_filters(diagnosis),
        cases=_cases(diagnosis),
        statistics=_statistics(statistics),
        version=escape(__version__),
    )


def _tiles(diagnosis: Diagnosis, statistics: Mapping[str, Any]) -> str:
    troubled = {f.case for f in diagnosis.findings if f.kind.severity != "note"}
    troubled.discard(WHOLE_SET)
    clean = statistics["cases"] - len(troubled)
    tiles: list[tuple[str, int, str]] = [
        (severity + "s", diagnosis.counts[severity], severity) for severity in SEVERITIES
    ]
    tiles.append(("cases without error or warning", clean, ""))
    return "".join(
        f'<div class="tile {css}"><b>{number}</b>{escape(word)}</div>'
        for word, number, css in tiles
    )


def _kinds(diagnosis: Diagnosis) -> str:
    cases: dict[str, set[str]] = defaultdict(set)
    for finding in diagnosis.findings:
        cases[finding.code].add(finding.case)
    if not cases:
        return "<p>Nothing.</p>"
    rows = "".join(
        f'<tr><td class="{kind.severity}">{kind.severity}</td><td><code>{code}</code></td>'
        f'<td>{escape(kind.title)}</td><td class="n">{len(cases[code])}</td>'
        f"<td>{_marked(kind.remedy)}</td></tr>"
        for code, kind in KINDS.items()
        if code in cases
    )
    head = "<tr><th></th><th>finding</th><th>what</th><th class='n'>cases</th><th>remedy</th></tr>"
    return f"<table>{head}{rows}</table>"


def _filters(diagnosis: Diagnosis) -> str:
    counts = Counter(finding.code for finding in diagnosis.findings)
    severities = [(s, s + "s", diagnosis.counts[s]) for s in SEVERITIES]
    codes = [(code, code, counts[code]) for code in KINDS]
    return "".join(
        f'<button type="button" data-code="{code}" aria-pressed="false">{word} {count}</button>'
        for code, word, count in (*severities, *codes)
        if count
    )


def _cases(diagnosis: Diagnosis) -> str:
    by_case: dict[str, list[Finding]] = defaultdict(list)
    for finding in diagnosis.findings:
        by_case[finding.case].append(finding)
    known = {e.case.name: e for e in diagnosis.examinations}
    cards = []
    if WHOLE_SET in by_case:
        cards.append(_card("the set as a whole", "", None, by_case[WHOLE_SET]))
    worst = {severity: n for n, severity in enumerate(SEVERITIES)}
    names = [name for name in by_case if name != WHOLE_SET]
    names.sort(key=lambda name: (min(worst[f.kind.severity] for f in by_case[name]), name))
    for name in names:
        cards.append(_card(name, _about(known[name]), known[name].picture, by_case[name]))
    return "".join(cards) or "<p>No case with a finding.</p>"


def _card(name: str, about: str, picture: bytes | None, findings: list[Finding]) -> str:
    words = escape(" ".join([name, *(n for f in findings for n in f.structures)]), quote=True)
    image = ""
    if picture is not None:
        data = base64.b64encode(picture).decode("ascii")
        image = (
            f'<img src="data:image/png;base64,{data}" loading="lazy" '
            f'alt="{escape(name, quote=True)}, a sagittal slice with its masks">'
        )
    rows = "".join(_row(finding) for finding in findings)
    return (
        f'<div class="case" data-words="{words}">{image}<div class="words">'
        f'<h3>{escape(name)}</h3><p class="faint">{escape(about)}</p>{rows}</div></div>'
    )


def _row(finding: Finding) -> str:
    kind = finding.kind
    return (
        f'<div class="finding {kind.severity}" data-code="{finding.code}" '
        f'data-severity="{kind.severity}"><span class="head {kind.severity}">'
        f"{escape(kind.title)}</span> <code class='faint'>{finding.code}</code>"
        f'<div class="text">{escape(finding.text)}</div>'
        f'<div class="remedy">→ {_marked(kind.remedy)}</div></div>'
    )


def _about(examination: Examination) -> str:
    image = examination.image
    words = [examination.case.dataset, examination.case.contrast or ""]
    if image is not None:
        words.append("×".join(map(str, image.shape)) + " voxels")
        words.append("×".join(f"{mm:.3g}" for mm in image.spacing_mm) + " mm (R, A, S)")
        words.append(image.orientation)
    return " · ".join(word for word in words if word)


def _statistics(statistics: Mapping[str, Any]) -> str:
    parts = []
    for title, key in (
        ("Sets", "datasets"),
        ("Contrasts", "contrasts"),
        ("Splits", "splits"),
        ("Orientations", "orientations"),
        ("Regions shown", "regions"),
    ):
        if statistics[key]:
            shown = ", ".join(f"{name} {count}" for name, count in statistics[key].items())
            parts.append(f"<tr><th>{title}</th><td>{escape(shown)}</td></tr>")
    for title, key in (("Spacing", "spacing_mm"), ("Field of view", "size_mm")):
        for axis, spread in statistics[key].items():
            if spread is not None:
                text = f"{spread[0]:g} … {spread[1]:g} … {spread[2]:g} mm"
                parts.append(f"<tr><th>{title} {AXES[axis]}</th><td>{text}</td></tr>")
    table = f'<div class="scroll"><table>{"".join(parts)}</table></div>'
    legend = '<p class="faint">Lowest … median … highest.</p>'
    return table + legend + _structures(statistics)


def _structures(statistics: Mapping[str, Any]) -> str:
    rows = statistics["structures"]
    if not rows:
        return ""
    most = max(row["share"] for row in rows) or 1.0
    body = "".join(
        f"<tr><td>{escape(row['name'])}</td><td class='n'>{row['cases']}</td>"
        f"<td class='n'>{row['voxels']:,}</td>"
        f"<td><div class='bar' style='width:{100 * row['share'] / most:.1f}%'></div></td>"
        f"<td class='n'>{row['share']:.1%}</td>"
        f"<td class='n'>{' … '.join(f'{mm3 / 1000:.3g}' for mm3 in row['volume_mm3'])}</td></tr>"
        for row in rows
    )
    head = (
        "<tr><th>structure</th><th class='n'>cases</th><th class='n'>voxels</th>"
        "<th style='width:30%'>share of all marked</th><th></th>"
        "<th class='n'>ml: lowest … median … highest</th></tr>"
    )
    return f"<h2>Structures</h2><div class='scroll'><table>{head}{body}</table></div>"


def _marked(text: str) -> str:
    """Escaped text with `code` in its element."""
    pieces = escape(text).split("`")
    return "".join(f"<code>{p}</code>" if n % 2 else p for n, p in enumerate(pieces))

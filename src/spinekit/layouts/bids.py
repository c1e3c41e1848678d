"""BIDS derivatives: results named and placed as the Brain Imaging Data Structure asks.

It knows names, entities and sidecars of BIDS 1.10 (derivatives, imaging); how a spine is found is
not its business.
"""

import contextlib
import io
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

from spinekit.core.errors import InputError, UsageError
from spinekit.io.derivatives import LABELS
from spinekit.io.discovery import ScanSource, stem_of
from spinekit.io.staging import staged
from spinekit.io.writing import write_bytes, write_image, write_json, write_labels
from spinekit.layouts.listed import find_kinds
from spinekit.layouts.plain import refuse_steps
from spinekit.layouts.wanted import Place, Wanted
from spinekit.levels import describe_levels, draw_levels
from spinekit.report import read_report
from spinekit.segmentation import (
    Segmentation,
    Settle,
    label_segments,
    leave_earlier,
    level_segments,
    part_segments,
)
from spinekit.structures import Segment

OPTIONS: Mapping[str, Any] = {}
"""Options of the segmentation that this layout fixes: none."""
DESCRIPTION = "dataset_description.json"
FORMATS = ("nii.gz", "nii")
"""Endings of volumes in BIDS."""
_MAKER = "SpineKit"
VERSION = "1.10.0"
"""Of BIDS; the first with the entity `seg`."""
PASSED_OVER = ("derivatives", "sourcedata", "code", "stimuli", "phenotype")
"""Folders of a dataset that hold no raw scans."""
OTHER_TYPES = ("dwi", "func", "fmap", "perf", "pet", "mrs", "meg", "eeg", "ieeg", "nirs", "motion")
"""Folders beside `anat` with other data, some of it in NIfTI too."""
DEFACING = "_defacemask"
"""How masks in `anat` end by which faces were removed."""
DATATYPE = "anat"
_NAME = re.compile(r"(sub-[A-Za-z0-9]+(?:_[a-z]+-[A-Za-z0-9]+)*)_([A-Za-z0-9]+)")
_DERIVED = re.compile(r"_(space|seg|res|den|label|desc)-")
IGNORE = ".bidsignore"
_IGNORED = (b"**/figures/", b"summary.csv", b"failures.json")
"""Its lines: what a validator is not to look at."""


@dataclass(frozen=True)
class RawName:
    """A raw scan's place in its dataset."""

    dataset: Path
    """Root of the dataset."""
    folder: Path
    """Of the scan inside the dataset, such as `sub-01/ses-1/anat`."""
    entities: str
    """`sub-01_ses-1_acq-sag`, without the suffix."""
    suffix: str
    """`T2w`."""


def check(wanted: Wanted) -> None:
    """Refuse choices that this layout does not have.

    Raises:
        UsageError: Steps, folders to keep, or a format that BIDS does not have; OUT is a dataset
            of scans, which would then say of itself that all in it are derivatives.
    """
    refuse_steps(wanted, "bids")
    if wanted.fmt not in FORMATS:
        raise UsageError(
            "layout-option",
            "layout 'bids' is always NIfTI",
            "choose --format nii.gz or nii, or leave it out",
        )
    kind = _read_table(wanted.out).get("DatasetType", "raw")
    is_raw = kind != "derivative" and (wanted.out / DESCRIPTION).exists()
    own = read_name(wanted.source).dataset
    if is_raw or os.path.realpath(wanted.out) == os.path.realpath(own):
        raise UsageError(
            "out-is-input",
            f"OUT ({wanted.out}) is a dataset of scans, not of derivatives",
            f"give a folder of its own, such as {wanted.out / 'derivatives' / 'spinekit'}",
        )


def select(found: Sequence[ScanSource]) -> list[ScanSource]:
    """The scans to do, of those found: the raw anatomical ones.

    Raises:
        UsageError: There is none.
    """
    kept = []
    for scan in found:
        parts = scan.relative_dir.parts
        other = bool(parts) and parts[-1] in OTHER_TYPES
        if not (other or scan.stem.endswith(DEFACING) or set(parts) & set(PASSED_OVER)):
            kept.append(scan)
    if not kept:
        raise UsageError(
            "not-bids", "no raw anatomical scan was found", "give a BIDS dataset with anat folders"
        )
    return kept


def read_name(source: Path) -> RawName:
    """Take a scan's path apart.

    Raises:
        UsageError: It is no raw anatomical scan of a BIDS dataset.
    """
    path = Path(os.path.abspath(source))
    stem = path.name.removesuffix(".gz").removesuffix(".nii")
    match = _NAME.fullmatch(stem)
    folders = path.parent.parts
    subject = session = ""
    if match:
        subject = match[1].split("_")[0]
        session = next((part for part in match[1].split("_") if part.startswith("ses-")), "")
    above = [subject, *([session] if session else []), DATATYPE]
    if (
        match is None
        or stem == path.name
        or _DERIVED.search(stem)
        or list(folders[-len(above) :]) != above
    ):
        raise UsageError(
            "not-bids",
            f"{source.name}: no raw anatomical scan of a BIDS dataset",
            "layout 'bids' needs sub-LABEL/[ses-LABEL/]anat/sub-LABEL_…_T2w.nii.gz",
        )
    root = Path(*folders[: -len(above)])
    return RawName(root, Path(*above), match[1], match[2])


def plan(wanted: Wanted) -> Place:
    """Where the files of a scan go.

    Raises:
        UsageError: It is no raw anatomical scan of a BIDS dataset.
    """
    name = read_name(wanted.source)
    start = f"{name.folder}/{name.entities}"
    space = f"{start}_space-orig"
    res, desc = "_res-1mm" if wanted.iso else "", f"_desc-{name.suffix}"
    files: dict[str, str] = {}
    for kind in ("dseg", "parts", *(("levels",) if wanted.levels else ())):
        base = f"{space}_seg-{'spine' if kind == 'dseg' else kind}{res}{desc}_dseg"
        files |= {kind: f"{base}.{wanted.fmt}", f"{kind}_tsv": f"{base}.tsv"}
        files["json" if kind == "dseg" else f"{kind}_json"] = f"{base}.json"
    for kind in ("cord", "canal") if wanted.soft else ():
        base = f"{space}{res}_label-{kind}{desc}_probseg"
        files |= {kind: f"{base}.{wanted.fmt}", f"{kind}_json": f"{base}.json"}
    if wanted.iso:
        base = f"{space}{res}_desc-resampled_{name.suffix}"
        files |= {"image": f"{base}.{wanted.fmt}", "image_json": f"{base}.json"}
    figures = name.folder.parent / "figures"
    files["preview"] = f"{figures}/{name.entities}{res}{desc}_dseg.png"
    # Among the figures, where no validator looks.
    undo = f"{figures}/{name.entities}{res}{desc}_undo.zip"
    return Place(wanted.out, files, "preview", "dseg", undo)


def reach(wanted: Wanted) -> list[Place]:
    """Where the files of a scan may lie, whatever else a run was asked for.

    On another grid they are another result, which lies beside this one.
    """
    whole = replace(wanted, levels=True, soft=True)
    return [plan(replace(whole, fmt=fmt)) for fmt in FORMATS]


def recall(labels: Path) -> Wanted | None:
    """What the run was asked for that wrote these derivatives; None for any other name.

    Raises:
        UsageError: They are parts or points, not the labels that bear the names.
        InputError: The sidecar is missing, or does not say of which scan they are.
    """
    match = LABELS.fullmatch(labels.name)
    if match is None:
        return None
    if match["kind"] != "spine":
        raise UsageError(
            "not-a-result",
            f"{labels.name}: not the labels that bear the names",
            "give the file with _seg-spine_ in its name",
        )
    base = labels.name.removesuffix(f".{match['fmt']}")
    report = labels.with_name(f"{base}.json")
    said = read_report(report)
    try:
        source = PurePosixPath(str(said.whole["Sources"][0]).removeprefix("bids:raw:"))
        out = Path(os.path.abspath(labels)).parents[len(source.parts) - 1]
    except (KeyError, IndexError, TypeError) as error:
        raise InputError(
            "report-damaged",
            f"{report.name}: does not say of which scan it is (Sources)",
            "segment the scan again",
        ) from error
    whole = Wanted(
        source=_raw_dataset(out) / source,
        stem=stem_of(Path(source.name)),
        out=out,
        inside=Path(*source.parent.parts),
        fmt=match["fmt"],
        iso=match["res"] is not None,
        levels=True,
    )
    return replace(whole, levels="levels" in find_kinds(plan(whole)))


def _raw_dataset(out: Path) -> Path:
    """The dataset that derivatives are of, by what they say themselves; they may have moved."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        said = json.loads((out / DESCRIPTION).read_bytes())
        return Path(os.path.abspath(out / said["DatasetLinks"]["raw"]))
    return out


def write(result: Segmentation, wanted: Wanted, settle: Settle = leave_earlier) -> None:
    """Write a result; all of its files appear, or none.

    The report is this package's, with the keys that BIDS asks for. What a dataset says of itself is
    written just before, and stays.

    Args:
        result: The result.
        wanted: What of it.
        settle: What becomes of an earlier result's files; by default they stay.

    Raises:
        OutputError: A file cannot be written or removed.
    """
    name, place = read_name(wanted.source), plan(wanted)
    common = _sidecar(name, wanted)
    header = result.header if result.header is not None else result.grid
    maps = {"dseg": result.labels, "parts": result.parts}
    images = dict(result.soft or {})
    tables = {"dseg": label_segments(result.structures), "parts": part_segments()}
    sidecars: dict[str, Mapping[str, Any]] = dict.fromkeys(
        ("parts_json", "cord_json", "canal_json"), common
    )
    if result.levels is not None:
        maps["levels"] = draw_levels(result.levels, result.grid.shape)
        tables["levels"] = level_segments(result.levels)
        sidecars["levels_json"] = {**common, **describe_levels(result.levels)}
    if result.image is not None:
        images["image"] = result.image.array
        sidecars["image_json"] = {**common, "SkullStripped": False}
    report, gone = settle({**result.report_with(maps), **common})
    with staged(place.root, last=place.files["json"], gone=gone) as stage:
        for kind, path in place.files.items():
            if kind in maps:
                write_labels(stage / path, maps[kind], header, fmt=wanted.fmt)
            elif kind in images:
                write_image(stage / path, images[kind], header, fmt=wanted.fmt)
            elif kind.removesuffix("_tsv") in tables:
                write_bytes(stage / path, format_table(tables[kind.removesuffix("_tsv")]))
            elif kind in sidecars:
                write_json(stage / path, sidecars[kind])
        png = io.BytesIO()
        result.preview().save(png, format="PNG", compress_level=3)
        write_bytes(stage / place.files["preview"], png.getvalue())
        write_json(stage / place.files["json"], report)
        # Not staged: they are of all scans, and others may write them before these files move.
        _describe_dataset(name, wanted.out)


def _sidecar(name: RawName, wanted: Wanted) -> dict[str, Any]:
    """Keys that every sidecar has."""
    source = (name.folder / wanted.source.name).as_posix()
    keys: dict[str, Any] = {
        "Sources": [f"bids:raw:{source}"],
        "SpatialReference": "orig",
        "Manual": False,
    }
    return {**keys, "Resolution": "1 mm isotropic"} if wanted.iso else keys


def _describe_dataset(name: RawName, out: Path) -> None:
    """Write what a dataset says of itself, where it does not say so yet.

    Raises:
        OutputError: A file cannot be written.
    """
    description, there = _description(name, out), b""
    if description is not None and description != _read_table(out):
        write_json(out / DESCRIPTION, description)
    with contextlib.suppress(OSError):
        there = (out / IGNORE).read_bytes()
    lines = dict.fromkeys((*there.splitlines(), *_IGNORED))
    ignored = b"".join(line + b"\n" for line in lines)
    if ignored != there:
        write_bytes(out / IGNORE, ignored)


def _description(name: RawName, out: Path) -> dict[str, Any] | None:
    """`dataset_description.json` of the derivatives; None where the one there says all there is.

    What others wrote into it stays; where others made the dataset, this program is one more.
    """
    raw, there = _read_table(name.dataset), _read_table(out)
    if not name.dataset.is_dir() and (out / DESCRIPTION).is_file():
        return None
    title, doi = raw.get("Name"), raw.get("DatasetDOI")
    try:
        link = Path(os.path.relpath(name.dataset, os.path.abspath(out))).as_posix()
    except ValueError:  # another drive
        link = name.dataset.name
    content: dict[str, Any] = {
        "Name": f"SpineKit derivatives of {title}" if title else "SpineKit derivatives",
        "BIDSVersion": VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": _MAKER, "Version": version("spinekit")}],
        "DatasetLinks": {"raw": link},
    }
    if doi:
        content["SourceDatasets"] = [{"DOI": doi}]
    makers = there.get("GeneratedBy") or []
    makers = makers if isinstance(makers, list) else [makers]
    others = [m for m in makers if not (isinstance(m, dict) and m.get("Name") == _MAKER)]
    if there and (others or not makers):
        linked = there.get("DatasetLinks")
        links = {**(linked if isinstance(linked, dict) else {}), **content["DatasetLinks"]}
        made_by = [*others, *content["GeneratedBy"]]
        return {**content, **there, "GeneratedBy": made_by, "DatasetLinks": links}
    return {**content, **{key: value for key, value in there.items() if key not in content}}


def _read_table(folder: Path) -> dict[str, Any]:
    """A dataset's description; empty where there is none that can be read."""
    with contextlib.suppress(OSError, ValueError):
        read = json.loads((folder / DESCRIPTION).read_bytes())
        return read if isinstance(read, dict) else {}
    return {}


def format_table(rows: Sequence[Segment]) -> bytes:
    """A look-up table: index, name and colour, tab-separated."""
    lines = ["index\tname\tcolor"]
    for index, name, (red, green, blue) in rows:
        lines.append(f"{index}\t{name}\t#{red:02x}{green:02x}{blue:02x}")
    return ("\n".join(lines) + "\n").encode()

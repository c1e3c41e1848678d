"""Discovery: which scans lie in a folder, and what their results are called.

Knows file names, and of DICOM files whether their headers tell of an image; opens nothing else.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from spinekit.core.errors import PassedOver, UsageError

FILE_ENDINGS = (".nii.gz", ".nii", ".mha", ".mhd", ".nrrd")
"""Extensions of single-file scans, the longer of two first."""
DICOM_ENDINGS = (".dcm", ".ima")
ARCHIVE_ENDINGS = (".zip", ".7z", ".rar", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
"""Of files in which others are packed, and which are no scans."""
FETCH = "fetch it, as by `datalad get`, `git annex get` or `git lfs pull`"
"""What to do about a file of which only a link or a pointer is here."""
SEGMENTATION_ENDING = ".seg.nrrd"
"""Of 3D Slicer's segmentations, which are no scans."""


@dataclass(frozen=True, slots=True)
class ScanSource:
    """A scan that was found."""

    path: Path
    """The file, or the folder of a DICOM series."""
    stem: str
    """What its results' names begin with."""
    relative_dir: Path
    """Folder inside INPUT, kept inside OUT; ``.`` at the top."""


def find_scans(
    source: str | Path,
    *,
    exclude: Path | None = None,
    leave_out: Callable[[Path], bool] | None = None,
    masks: bool = False,
) -> list[ScanSource]:
    """Find every scan of a file or folder, sorted by path.

    A folder that directly holds DICOM files is one scan. Hidden files and folders are passed over,
    and ``.seg.nrrd`` files unless masks are looked for. Links to folders are followed; a folder
    that several ways lead to is looked into once, by the way without links if there is one, and one
    that holds the link or ``source`` itself is not.
    A folder inside that cannot be opened is listed as a scan, so that reading it reports the
    failure.

    Args:
        source: A scan file, a DICOM folder, or a folder of scans at any depth.
        exclude: A folder not to look into, such as OUT.
        leave_out: Asked of every scan file of a folder; those it holds for are none.
        masks: Look for masks instead of scans, and take segmentations too.

    Returns:
        At least one scan.

    Raises:
        UsageError: If ``source`` is missing, cannot be opened or holds no scan.
    """
    source = Path(source)
    try:
        source.stat()
    except OSError as error:
        raise _cannot_open(source, error) from error
    if not source.is_dir():
        return [ScanSource(source, stem_of(source), Path())]
    try:
        os.scandir(source).close()
    except OSError as error:
        raise _cannot_open(source, error) from error
    found = sorted(_walk(source, exclude, leave_out), key=lambda scan: scan.path)
    found = [scan for scan in found if masks or not _is_segmentation(scan.path)]
    if not found:
        packed = next(filter(_is_packed_scan, source.rglob("*")), None)
        remedy = f"give a folder with {', '.join(FILE_ENDINGS)} or DICOM files"
        if packed is not None:
            remedy = f"unpack {packed.relative_to(source)} and give the folder"
        raise UsageError("no-scans", f"{source}: no scan in this folder", remedy)
    return found


def is_single(found: Sequence[ScanSource], source: Path) -> bool:
    """Whether ``source`` is itself the only scan, and no folder of several.

    Args:
        found: What `find_scans` found there; a DICOM folder may hold other scans too.
        source: Where it looked.
    """
    return len(found) == 1 and found[0].path == source


def _is_packed_scan(path: Path) -> bool:
    """Whether a file is an archive that may hold scans: not hidden, and none of `relabel`."""
    is_ours = path.name.startswith(".") or path.name.endswith("_undo.zip")
    return is_archive(path) and not is_ours


def is_archive(path: Path) -> bool:
    """Whether a file is by its name one in which others are packed."""
    return path.name.lower().endswith(ARCHIVE_ENDINGS)


def tell_foreign(path: Path) -> tuple[str, str]:
    """What to say of a file that is no scan by its name, and its remedy."""
    if is_archive(path):
        return f"{path.name}: an archive, no scan", "unpack it and give the folder"
    remedy = f"give one of {', '.join(FILE_ENDINGS)} or a folder of DICOM files"
    return f"{path.name}: not a scan this program reads", remedy


def tell_missing(path: Path) -> tuple[str, str]:
    """What to say of a path where nothing is, and its remedy."""
    if path.is_symlink():
        return f"{path}: a link to a file that is not here", FETCH
    return f"{path}: no such file or folder", "check the path"


def ending_of(path: Path) -> str:
    """Lower-case extension, ``.nii.gz`` as one; empty if there is none."""
    name = path.name.lower()
    return ".nii.gz" if name.endswith(".nii.gz") else path.suffix.lower()


def name_of(path: Path) -> str:
    """Name of a file or folder, that of the folder itself for ``.`` and ``..``; never empty."""
    name = path.resolve().name if path.name in ("", "..") else path.name
    return name or "scan"


def stem_of(path: Path) -> str:
    """File name without a scan's extensions; a folder's whole name."""
    name = name_of(path)
    if path.is_dir():
        return name
    for ending in (SEGMENTATION_ENDING, *FILE_ENDINGS, *DICOM_ENDINGS):
        if name.lower().endswith(ending) and len(name) > len(ending):
            return name[: -len(ending)]
    return name


def dicom_files(folder: Path) -> list[Path]:
    """Files directly in ``folder`` with a DICOM extension or mark, sorted by name.

    Raises:
        OSError: If the folder cannot be opened.
    """
    return [path for path in _visible_files(folder) if _looks_dicom(path)]


def first_dicom_file(folder: Path, *, backwards: bool = False) -> Path | None:
    """The first, or the last, of what `dicom_files` gives, without asking every file.

    Raises:
        OSError: If the folder cannot be opened.
    """
    files = _visible_files(folder)
    return next(filter(_looks_dicom, reversed(files) if backwards else files), None)


def _visible_files(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        return sorted(Path(e.path) for e in entries if _may_be_file(e) and e.name[0] != ".")


def _may_be_file(entry: os.DirEntry[str]) -> bool:
    """Whether it is a file, or a link of which only reading will tell, such as one to itself."""
    try:
        return entry.is_file()
    except OSError:
        return True


def _looks_dicom(path: Path) -> bool:
    if path.name.upper() == "DICOMDIR":
        return False
    if ending_of(path) in DICOM_ENDINGS:
        return True
    if ending_of(path) in FILE_ENDINGS:
        return False
    try:
        with path.open("rb") as file:
            file.seek(128)
            return file.read(4) == b"DICM"
    except OSError:
        return False


def _is_segmentation(path: Path) -> bool:
    return path.name.lower().endswith(SEGMENTATION_ENDING)


def _walk(
    top: Path, exclude: Path | None, leave_out: Callable[[Path], bool] | None
) -> Iterable[ScanSource]:
    """Every scan and segmentation below ``top``, in no particular order.

    DICOM folders without a scan, such as the report of a study or screens that were saved, are
    passed over with a warning of `PassedOver`; where there is nothing else, reading them will tell
    what is wrong.
    """
    unopened: list[str] = []
    scanless: list[ScanSource] = []
    is_empty = True
    for here, files in walk_folders(top, exclude, unopened):
        relative = here.relative_to(top)
        for file in files:
            path = here / file
            is_file = ending_of(path) in FILE_ENDINGS and file[0] != "."
            if is_file and not (leave_out and leave_out(path)):
                is_empty = False
                yield ScanSource(path, stem_of(path), relative)
        if slices := dicom_files(here):
            from spinekit.io.dicom_objects import may_hold_scan

            scan = ScanSource(here, stem_of(here), relative if here == top else relative.parent)
            if may_hold_scan(slices):
                is_empty = False
                yield scan
            else:
                scanless.append(scan)
    for folder in unopened:
        here = Path(folder)
        yield ScanSource(here, stem_of(here), here.relative_to(top).parent)
    if is_empty:
        yield from scanless
    elif scanless:
        many = f"{len(scanless)} DICOM folder{'s' if len(scanless) > 1 else ''}"
        warnings.warn(PassedOver(f"{many} in {top} without a scan; passed over"), stacklevel=3)


def walk_folders(
    top: Path, exclude: Path | None, unopened: list[str]
) -> Iterator[tuple[Path, list[str]]]:
    """Every folder below ``top`` once, with the names of its files; links to folders come last.

    A folder is called by the way that leads to it: one behind a link lies where the link does.
    Hidden folders are left out.

    Args:
        top: Where to begin.
        exclude: A folder not to look into, nor below.
        unopened: Gets the folders that cannot be opened.
    """
    barred = None if exclude is None else exclude.resolve()
    seen: set[Path] = set()
    starts = [top]
    for start in starts:
        real = start.resolve()
        if start != top and (real in seen or _is_around(real, start.parent, top, barred)):
            continue
        seen.add(real)
        for folder, names, files in os.walk(
            start, onerror=lambda error: unopened.append(str(error.filename))
        ):
            here = Path(folder)
            seen.add(here.resolve())
            shown = sorted(name for name in names if name[0] != ".")
            starts += [here / name for name in shown if (here / name).is_symlink()]
            reals = {name: (here / name).resolve() for name in shown}
            names[:] = [name for name in shown if reals[name] not in seen and reals[name] != barred]
            yield here, files


def _is_around(real: Path, link_in: Path, top: Path, barred: Path | None) -> bool:
    """Whether a link's folder leads back to what holds the link or ``top``, or into what is barred.

    Args:
        real: What the link leads to.
        link_in: Where the link lies.
        top: Where the search began.
        barred: A folder not to look into.
    """
    holders = {place for held in (link_in.resolve(), top.resolve()) for place in held.parents}
    return real in holders or (barred is not None and barred in (real, *real.parents))


def _cannot_open(path: Path, error: OSError) -> UsageError:
    if isinstance(error, PermissionError):
        return UsageError("no-permission", f"{path}: no permission to read it", "ask for access")
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return UsageError("file-missing", *tell_missing(path))
    return UsageError("unreadable", f"{path}: {error.strerror or error}", "check the path")

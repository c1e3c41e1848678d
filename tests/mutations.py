"""Some 300 damaged copies of small valid scans: cut off, with flipped bits, of wrong sizes.

Each is written under its own stem, so that a whole folder of them can be run at once. Some of
them are still readable: a flipped bit need not hurt.
"""

import gzip
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from scan_files import SHAPE, Slices, picture, save_itk, save_nifti

HEADER_FIELDS: dict[str, tuple[object, ...]] = {
    "dim": (
        [0, 6, 40, 36, 1, 1, 1, 1], [-1, 6, 40, 36, 1, 1, 1, 1], [9, 6, 40, 36, 1, 1, 1, 1],
        [1, 8640, 1, 1, 1, 1, 1, 1], [2, 40, 36, 1, 1, 1, 1, 1], [3, 0, 40, 36, 1, 1, 1, 1],
        [3, -6, 40, 36, 1, 1, 1, 1], [3, 6, 40, 37, 1, 1, 1, 1], [3, 32767, 40, 36, 1, 1, 1, 1],
        [3, 32767, 32767, 32767, 1, 1, 1, 1], [4, 6, 40, 12, 3, 1, 1, 1],
        [5, 6, 40, 12, 3, 2, 1, 1], [5, 6, 40, 18, 1, 2, 1, 1], [7, 6, 40, 36, 1, 1, 1, 1],
        [3, 1, 40, 36, 1, 1, 1, 1], [3, 6, 1, 36, 1, 1, 1, 1], [3, 1, 1, 36, 1, 1, 1, 1],
        [3, 5, 5, 1, 1, 1, 1, 1],
    ),
    "datatype": (0, 1, 2, 8, 16, 32, 64, 128, 256, 512, 768, 1024, 1536, 1792, 2304, 9999, -4),
    "vox_offset": (0, 1, 347, 351, 353, 352.5, 1e9, -352, np.nan, np.inf),
    "scl_slope": (0, np.nan, np.inf, -1, 1e38, 1e-40),
    "scl_inter": (np.nan, np.inf, 1e38),
    "srow_x": ([0, 0, 0, 0], [np.nan, 0, 0, 0], [np.inf, 0, 0, 0], [0, 1, 0, 0], [1e-30, 0, 0, 0]),
    "srow_y": ([0.5, 1, 0, 0], [4, 0, 0, 0]),
    "sform_code": (0, -1, 99),
    "pixdim": (
        [1, 0, 1, 1, 1, 1, 1, 1], [1, np.nan, 1, 1, 1, 1, 1, 1], [1, -4, -1, -1, 1, 1, 1, 1],
        [0, 4, 1, 1, 1, 1, 1, 1], [7, 1e30, 1, 1, 1, 1, 1, 1],
    ),
    "xyzt_units": (0, 1, 3, 7, 255),
    "magic": (b"ni1", b"n+2", b"", b"XYZ"),
    "sizeof_hdr": (0, 540, 347, -1),
}  # fmt: skip
"""Fields of the NIfTI header with values to put there."""

QUATERNION_FIELDS: dict[str, tuple[object, ...]] = {
    "quatern_b": (0, 0.5, 2.0, np.nan),
    "qform_code": (0, -3),
    "qoffset_x": (np.nan, 1e38),
}
"""Fields that count where the header has no matrix."""

TEXT_EDITS: tuple[tuple[bytes, bytes], ...] = (
    (b"6 40 36", b"6 40"), (b"6 40 36", b"0 40 36"), (b"6 40 36", b"-6 40 36"),
    (b"6 40 36", b"6 40 99"), (b"6 40 36", b"3000 4000 36"), (b"6 40 36", b"99999 99999 99999"),
    (b"6 40 36", b"a b c"), (b"4 1 1", b"0 1 1"), (b"4 1 1", b"nan 1 1"), (b"4 1 1", b"-4 1 1"),
    (b"4 1 1", b"400 1 1"), (b"MET_SHORT", b"MET_NONSENSE"), (b"MET_SHORT", b"MET_FLOAT"),
    (b"NDims = 3", b"NDims = 2"), (b"NDims = 3", b"NDims = 99"), (b"LOCAL", b"gone.raw"),
    (b"CompressedData = True", b"CompressedData = False"),
    (b"-1 0 0 0 -1 0 0 0 1", b"0 0 0 0 0 0 0 0 0"),
    (b"-1 0 0 0 -1 0 0 0 1", b"1 1 0 0 1 0 0 0 1"), (b"ObjectType = Image", b"ObjectType = Tube"),
    (b"type: short", b"type: block"), (b"type: short", b"type: double"),
    (b"dimension: 3", b"dimension: 17"), (b"dimension: 3", b"dimension: 2"),
    (b"encoding: gzip", b"encoding: raw"), (b"encoding: gzip", b"encoding: bzip2"),
    (b"endian: little", b"endian: middle"), (b"(-4,0,0)", b"(0,0,0)"), (b"(-4,0,0)", b"none"),
    (b"(-4,0,0)", b"(0,-4,0)"), (b"NRRD0004", b"NRRD9999"), (b"NRRD0004", b"JUNK0004"),
)  # fmt: skip
"""Replacements in the text headers of mha and nrrd files, where they occur."""

DICOM_TAGS: tuple[tuple[str, object], ...] = (
    ("Rows", 4000), ("Rows", 0), ("Columns", 1), ("BitsAllocated", 8), ("BitsAllocated", 7),
    ("SamplesPerPixel", 3), ("PixelSpacing", [0, 0]), ("PixelSpacing", None),
    ("ImagePositionPatient", None), ("ImageOrientationPatient", [0, 0, 0, 0, 0, 0]),
    ("ImageOrientationPatient", [1, 0, 0, 0, 1, 0]), ("RescaleSlope", 0), ("PixelData", None),
    ("SOPClassUID", None), ("SeriesInstanceUID", None), ("SliceThickness", None),
)  # fmt: skip


def write_mutations(folder: Path) -> list[Path]:
    """Write every mutation and return the scans: files, and folders of DICOM files.

    The same files come out each time. ``folder`` must be empty; all scans lie directly in it.
    """
    scratch = folder / ".base"
    scratch.mkdir(parents=True)
    scans = []
    for number, (kind, ending, content) in enumerate(_mutated_files(scratch)):
        path = folder / f"m{number:03d}-{kind}{ending}"
        path.write_bytes(content)
        scans.append(path)
    for number, (kind, files) in enumerate(_mutated_series(scratch)):
        path = folder / f"d{number:03d}-{kind}"
        path.mkdir()
        for name, content in files.items():
            (path / name).write_bytes(content)
        scans.append(path)
    for path in scratch.iterdir():
        path.unlink()
    scratch.rmdir()
    return scans


def _mutated_files(scratch: Path) -> Iterator[tuple[str, str, bytes]]:
    """Kind, ending and content of every damaged single file."""
    bases = {
        ".nii": save_nifti(scratch / "a.nii"),
        ".nii.gz": save_nifti(scratch / "a.nii.gz"),
        ".mha": save_itk(scratch / "a.mha"),
        ".nrrd": save_itk(scratch / "a.nrrd"),
    }
    plain_mha = save_itk(scratch / "b.mha", compress=False).read_bytes()
    second = save_nifti(scratch / "b.nii", version=2).read_bytes()
    contents = [(ending, path.read_bytes()) for ending, path in bases.items()]
    contents += [(".mha", plain_mha), (".nii", second)]
    rng = np.random.default_rng(11)
    for ending, content in contents:
        yield from (("cut", ending, part) for part in _cut(content))
        yield from (("bit", ending, part) for part in _flip(content, rng))
        for old, new in TEXT_EDITS:
            if content.count(old) and ending in (".mha", ".nrrd"):
                yield "text", ending, content.replace(old, new, 1)
    yield from (("field", ".nii", part) for part in _wrong_fields(scratch))
    yield from _wrong_content(contents)


def _cut(content: bytes) -> Iterator[bytes]:
    """The first few bytes, parts of the header, parts of the voxels."""
    for size in (0, 1, 3, 100, 347, 348, 352, 600):
        yield content[:size]
    for share in (0.3, 0.7, 0.99):
        yield content[: int(len(content) * share)]
    yield content[:-1]


def _flip(content: bytes, rng: np.random.Generator) -> Iterator[bytes]:
    """One flipped bit each: mostly within the header, some anywhere."""
    places = [*rng.integers(0, 8 * 352, 16), *rng.integers(0, 8 * len(content), 4)]
    for place in places:
        changed = bytearray(content)
        changed[int(place) // 8] ^= 1 << (int(place) % 8)
        yield bytes(changed)


def _wrong_fields(scratch: Path) -> Iterator[bytes]:
    """A NIfTI file for each value of each field."""
    for field, values in HEADER_FIELDS.items():
        for value in values:
            yield save_nifti(scratch / "field.nii", **{field: value}).read_bytes()
    # Without a matrix, spacing and quaternion are what counts.
    for field, values in {"pixdim": HEADER_FIELDS["pixdim"], **QUATERNION_FIELDS}.items():
        for value in values:
            both = {"sform_code": 0, field: value}
            yield save_nifti(scratch / "field.nii", **both).read_bytes()


def _wrong_content(contents: list[tuple[str, bytes]]) -> Iterator[tuple[str, str, bytes]]:
    """Content that its name does not promise, and images of nothing."""
    by_ending = dict(contents)
    plain = by_ending[".nii"]
    for ending in by_ending:
        yield "text", ending, b"this is no image\n" * 40
        yield "png", ending, b"\x89PNG\r\n\x1a\n" + bytes(400)
        yield "zeros", ending, bytes(4000)
        yield "gzip", ending, gzip.compress(b"nothing", mtime=0)
    yield "mha", ".nii", by_ending[".mha"]
    yield "plain", ".nii.gz", plain
    yield "zipped", ".nii", gzip.compress(plain, mtime=0)
    yield "more", ".nii", plain + b"more"
    yield "more", ".nii.gz", by_ending[".nii.gz"] + b"more"
    header = plain[:352]
    yield "constant", ".nii", header + np.full(SHAPE, 7, np.int16).tobytes()
    nan = bytearray(header)
    nan[70:74] = np.array([16, 32], "<i2").tobytes()
    yield "nan", ".nii", bytes(nan) + np.full(SHAPE, np.nan, "<f4").tobytes()
    part = np.full(SHAPE, np.nan, "<f4")
    part[3:] = 5
    part[3, 3, 3] = np.inf
    yield "nan", ".nii", bytes(nan) + part.tobytes(order="F")


def _mutated_series(scratch: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Folders of DICOM files with one of them damaged."""
    slices = Slices(picture((33, 34, 4)))
    whole = {f"IM{index}.dcm": _bytes_of(slices.single(index)) for index in range(4)}
    victim = whole["IM1.dcm"]
    rng = np.random.default_rng(13)
    for size in (0, 100, 132, 140, 400, 700, len(victim) // 2, len(victim) - 1):
        yield "cut", whole | {"IM1.dcm": victim[:size]}
    for place in rng.integers(128 * 8, 1000 * 8, 24):
        changed = bytearray(victim)
        changed[int(place) // 8] ^= 1 << (int(place) % 8)
        yield "bit", whole | {"IM1.dcm": bytes(changed)}
    for keyword, value in DICOM_TAGS:
        image = slices.single(1)
        if value is None:
            delattr(image, keyword)
        else:
            setattr(image, keyword, value)
        yield "tag", whole | {"IM1.dcm": _bytes_of(image)}
    yield "gap", {name: content for name, content in whole.items() if name != "IM1.dcm"}
    yield "text", whole | {"IM1.dcm": b"no image"}


def _bytes_of(image: object) -> bytes:
    buffer = io.BytesIO()
    image.save_as(buffer, enforce_file_format=False)  # type: ignore[attr-defined]
    return buffer.getvalue()

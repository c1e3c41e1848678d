"""Faults planted one at a time in a spine of blocks, whose every voxel is known."""

import gzip
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from curation.doctor import plants
from curation.doctor.plants import spine, write_case
from spinekit.anatomy.scheme import NAMES, VALUES
from spinekit.curation.doctor.examination import Examination, ExamineOptions, examine_case
from spinekit.datasets.meaning import mask_file
from spinekit.io.writing import write_seg_nrrd

QUICK = ExamineOptions(image_axes=False, pictures=False)


def codes(examination: Examination) -> set[str]:
    return {f.code for f in examination.findings if f.kind.severity != "note"}


@pytest.mark.parametrize(
    ("plant", "expected"),
    [
        (lambda labels: labels, set()),
        (plants.swap, {"order-wrong"}),
        (plants.mix, {"tags-mixed"}),
        (plants.mix_most, {"tags-mixed"}),
        (plants.name_two_alike, {"tag-on-two"}),
        (lambda labels: np.where(labels == 42, 0, labels), {"structure-missing"}),
        (lambda labels: np.where(labels == 45, 0, labels), {"structure-missing"}),
        (lambda labels: np.where((labels == 32) | (labels == 91), 0, labels), set()),
        (lambda labels: np.where(labels == 93, 0, labels), {"structure-missing"}),
        (plants.skip_a_name, {"level-skipped"}),
        (plants.drill, {"hole"}),
        (plants.sprinkle, {"specks"}),
        (plants.skip_a_slice, {"slice-skipped"}),
        (plants.reverse, {"order-reversed"}),
        (lambda labels: np.where(labels == 2, 199, labels), {"value-unexpected"}),
        (lambda labels: labels * 0, {"mask-empty"}),
        (lambda labels: labels * 0 + 1, {"mask-full"}),
        (
            lambda labels: np.arange(labels.size, dtype=np.int32).reshape(labels.shape) % 1000,
            {"labels-are-scan"},
        ),
        (lambda labels: labels.astype(np.float32) * 0.5, {"mask-not-whole"}),
        (lambda labels: np.roll(labels, 6, axis=1), {"mask-off"}),
    ],
)
def test_a_fault_in_the_mask_is_found_and_nothing_else(
    plant: Callable[[NDArray], NDArray], expected: set[str], tmp_path: Path
) -> None:
    case = write_case(tmp_path, labels=plant(spine().labels.astype(np.int16)))

    assert codes(examine_case(case, QUICK)) == expected


@pytest.mark.parametrize(
    ("plant", "expected"),
    [
        (plants.cut_above_l1, set()),
        (plants.mix_with_a_cut_one, {"tags-mixed"}),
        (plants.swap_with_a_cut_one, {"order-wrong"}),
    ],
)
def test_a_vertebra_of_which_only_a_process_is_in_view_hides_no_fault(
    plant: Callable[[NDArray], NDArray], expected: set[str], tmp_path: Path
) -> None:
    """The scan ends above the process of L1."""
    drawn = spine()
    labels = plant(drawn.labels)
    bones = np.argwhere((labels > 40) & (labels < 47))
    inside = np.s_[:, :, : int(bones[:, 2].max()) + 1]
    case = write_case(tmp_path, image=drawn.image[inside], labels=labels[inside])

    assert codes(examine_case(case, QUICK)) == expected


@pytest.mark.parametrize("bones", [(), ("L5",)])
def test_discs_named_from_below_are_told_by_their_ends(
    bones: tuple[str, ...], tmp_path: Path
) -> None:
    """With one vertebra or none, there is nothing else that has an order."""
    case = write_case(tmp_path, labels=plants.reverse_discs(spine().labels, bones))
    (found,) = [f for f in examine_case(case, QUICK).findings if f.code == "order-reversed"]

    assert found.text == "T12-L1 lies below L5-S1"


def test_most_of_a_body_under_its_neighbour_s_name_is_told_by_its_own(tmp_path: Path) -> None:
    case = write_case(tmp_path, labels=plants.mix_most(spine().labels))
    (mixed,) = [f for f in examine_case(case, QUICK).findings if f.code == "tags-mixed"]

    assert mixed.structures == ("L3", "L4")
    assert "what should be L3 is named L4" in mixed.text


@pytest.mark.parametrize("values", ["spinekit", None])
def test_segments_are_judged_by_what_they_are_called(values: str | None, tmp_path: Path) -> None:
    """L2 and L3 changed names in 3D Slicer; L5 was drawn anew, with a value that means nothing."""
    drawn = spine()
    called = {int(v): NAMES[int(v)] for v in np.unique(drawn.labels) if v}
    swapped = called | {VALUES["L2"]: "L3", VALUES["L3"]: "L2", 199: "L5"}
    labels = np.where(drawn.labels == VALUES["L5"], 199, drawn.labels).astype(np.uint8)
    case = write_case(tmp_path)
    found = {}
    for name, names in (("swapped", swapped), ("as_before", called | {199: "L5"})):
        path = tmp_path / f"{name}.seg.nrrd"
        rows = [(value, text, (255, 0, 0)) for value, text in names.items()]
        write_seg_nrrd(path, labels, drawn.grid, rows)
        case = replace(case, masks=(mask_file(path, values),))
        found[name] = codes(examine_case(case, QUICK))

    against = {"segment-names"} if values else set()
    assert found == {"swapped": {"order-wrong"} | against, "as_before": set()}


def test_interpolated_labels_are_grey(tmp_path: Path) -> None:
    labels = spine().labels.astype(float)
    grey = np.rint((labels + np.roll(labels, 1, axis=2)) / 2).astype(np.int16)

    assert "mask-grey" in codes(examine_case(write_case(tmp_path, labels=grey), QUICK))


@pytest.mark.parametrize("letters", ["RAI", "RPS", "RSA", "SAR", "RPI", "ARS"])
def test_a_header_against_the_anatomy_is_read_from_the_mask(letters: str, tmp_path: Path) -> None:
    """The voxels are stored R, A, S; the header says otherwise."""
    affine = np.zeros((4, 4))
    for axis, (letter, step) in enumerate(zip(letters, plants.SPACING_MM, strict=True)):
        row = ("RL".find(letter), "AP".find(letter), "SI".find(letter))
        world = next(n for n, place in enumerate(row) if place >= 0)
        affine[world, axis] = step * (1 if row[world] == 0 else -1)
    affine[3, 3] = 1
    examination = examine_case(write_case(tmp_path, affine=affine), QUICK)

    assert "axes-wrong" in codes(examination)
    assert examination.axes is not None
    assert examination.axes.stated == letters
    assert examination.axes.found[1:] == "AS"


def test_a_mask_on_another_grid_is_a_mismatch(tmp_path: Path) -> None:
    moved = spine().grid.affine.copy()
    moved[1, 3] += 10

    assert codes(examine_case(write_case(tmp_path, mask_affine=moved), QUICK)) == {"grid-mismatch"}


def test_what_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    case = write_case(tmp_path)
    case.image.write_bytes(case.image.read_bytes()[:2000])
    case.masks[0].path.unlink()
    examination = examine_case(case, QUICK)

    assert codes(examination) == {"image-unreadable", "mask-missing"}
    assert examination.image is None


def test_headers_with_two_truths_and_gaps_in_the_image(tmp_path: Path) -> None:
    drawn = spine()
    image = drawn.image.copy()
    image[4] = 0
    image[6, 10, 10] = np.nan
    case = write_case(tmp_path)
    nifti = nib.Nifti1Image(image, drawn.grid.affine)
    turned = drawn.grid.affine @ np.diag([-1, -1, 1, 1])
    nifti.set_qform(turned, code=1)
    nifti.set_sform(drawn.grid.affine, code=1)
    nib.save(nifti, case.image)

    assert codes(examine_case(case, QUICK)) == {"forms-disagree", "blank-slices", "not-finite"}


def test_a_scan_among_the_masks_is_named_once(tmp_path: Path) -> None:
    case = write_case(tmp_path)
    case.masks[0].path.write_bytes(case.image.read_bytes())

    (finding,) = examine_case(case, QUICK).findings

    assert finding.code == "labels-are-scan"
    assert "so it is a scan and no mask" in finding.text


@pytest.mark.parametrize(
    ("share", "code"),
    [(0.05, "mask-grey"), (0.9, "labels-are-scan")],
)
def test_smoothed_borders_of_one_structure_are_no_scan(
    share: float, code: str, tmp_path: Path
) -> None:
    """Of the voxels of a bone, some hold a random grey, all others white."""
    case = write_case(tmp_path)
    bone = spine().labels == VALUES["L3"]
    random = np.random.default_rng(0)
    grey = np.where(random.random(bone.shape) < share, random.integers(1, 255, bone.shape), 255)
    path = case.masks[0].path
    nib.save(nib.Nifti1Image((bone * grey).astype(np.uint8), spine().grid.affine), path)
    case = replace(case, masks=(mask_file(path, "L3"),))

    assert code in codes(examine_case(case, QUICK))


def test_many_values_at_the_borders_of_structures_are_no_scan(tmp_path: Path) -> None:
    """A mask of SPIDER's values; the voxels around what it marks hold any grey."""
    drawn = spine()
    ours = [VALUES[name] for name in ("L5", "L4", "L3", "L2", "L1")]
    discs = [VALUES[name] for name in ("L5-S1", "L4-L5", "L3-L4", "L2-L3", "L1-L2")]
    mask = np.zeros(drawn.labels.shape, np.float32)
    for number, (bone, disc) in enumerate(zip(ours, discs, strict=True), start=1):
        mask[drawn.labels == bone] = number
        mask[drawn.labels == disc] = 200 + number
    fine, image = (np.kron(whole, np.ones((2, 2, 2))) for whole in (mask, drawn.image))
    border = ndimage.binary_dilation(fine > 0) & (fine == 0)
    fine[border] = np.random.default_rng(0).integers(1, 205, np.count_nonzero(border))
    affine = drawn.grid.affine @ np.diag([0.5, 0.5, 0.5, 1.0])
    case = write_case(tmp_path)
    nib.save(nib.Nifti1Image(fine.astype(np.int16), affine), case.masks[0].path)
    nib.save(nib.Nifti1Image(image, affine), case.image)
    case = replace(case, masks=(mask_file(case.masks[0].path, "spider"),))

    found = codes(examine_case(case, QUICK))

    assert len(np.unique(fine)) > 128
    assert "mask-grey" in found
    assert "labels-are-scan" not in found


@pytest.mark.parametrize("dark", [0.05, 0.7])
@pytest.mark.parametrize("meaning", ["spider", "spinekit", "totalspineseg"])
def test_a_scan_of_8_bits_is_one_whatever_its_values_mean(
    meaning: str, dark: float, tmp_path: Path
) -> None:
    """Its grey values are mostly such as have a meaning, and it may be mostly black."""
    random = np.random.default_rng(0)
    meant = [value for value in mask_file(tmp_path, meaning).values if value < 256]
    shape = spine().labels.shape
    scan = random.choice(meant, shape)
    scan = np.where(random.random(shape) < 0.3, random.integers(1, 256, shape), scan)
    scan = np.where(random.random(shape) < dark, 0, scan)
    case = write_case(tmp_path)
    path = case.masks[0].path
    nib.save(nib.Nifti1Image(scan.astype(np.uint8), spine().grid.affine), path)

    assert codes(examine_case(replace(case, masks=(mask_file(path, meaning),)), QUICK)) == {
        "labels-are-scan"
    }


def test_a_value_beyond_all_bounds_takes_no_memory(tmp_path: Path) -> None:
    labels = spine().labels.astype(np.int32)
    labels[labels == VALUES["L1"]] = 2_000_000_000
    labels[labels == VALUES["sacrum"]] = -5
    case = write_case(tmp_path, labels=labels)

    tracemalloc.start()
    examination = examine_case(case, QUICK)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 2**28
    assert "value-unexpected" in codes(examination)
    assert examination.structures["value 2000000000"].voxels == (spine().labels == 41).sum()
    assert examination.structures["L2"].voxels == (spine().labels == 42).sum()


@pytest.mark.parametrize("field", [0, 1])
def test_a_header_that_the_reader_understands_is_compared(field: int, tmp_path: Path) -> None:
    """Nibabel refuses a negative spacing, and a handedness that is neither 1 nor -1."""
    case = write_case(tmp_path)
    raw = bytearray(gzip.decompress(case.image.read_bytes()))
    header = nib.load(case.image).header.copy()
    header.set_qform(header.get_sform(), code=1)
    header["pixdim"][field] = -header["pixdim"][field] if field else 0
    raw[: len(header.binaryblock)] = header.binaryblock
    case.image.write_bytes(gzip.compress(bytes(raw)))

    assert codes(examine_case(case, QUICK)) == set()
    header["qoffset_y"] += 20
    raw[: len(header.binaryblock)] = header.binaryblock
    case.image.write_bytes(gzip.compress(bytes(raw)))
    assert codes(examine_case(case, QUICK)) == {"forms-disagree"}


def test_a_picture_is_drawn_of_a_case_with_findings(tmp_path: Path) -> None:
    case = write_case(tmp_path, labels=plants.swap(spine().labels))
    examination = examine_case(case, ExamineOptions(image_axes=False))

    assert examination.picture is not None
    assert examination.picture.startswith(b"\x89PNG")

"""Faults planted one at a time in a spine of blocks, whose every voxel is known."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from curation.doctor import plants
from curation.doctor.plants import spine, write_case
from spinekit.curation.doctor.examination import Examination, ExamineOptions, examine_case

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


def test_most_of_a_body_under_its_neighbour_s_name_is_told_by_its_own(tmp_path: Path) -> None:
    case = write_case(tmp_path, labels=plants.mix_most(spine().labels))
    (mixed,) = [f for f in examine_case(case, QUICK).findings if f.code == "tags-mixed"]

    assert mixed.structures == ("L3", "L4")
    assert "what should be L3 is named L4" in mixed.text


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


def test_a_picture_is_drawn_of_a_case_with_findings(tmp_path: Path) -> None:
    case = write_case(tmp_path, labels=plants.swap(spine().labels))
    examination = examine_case(case, ExamineOptions(image_axes=False))

    assert examination.picture is not None
    assert examination.picture.startswith(b"\x89PNG")

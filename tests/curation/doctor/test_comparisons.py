"""What only shows when cases are compared, on sets of block spines."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from curation.doctor.plants import spine, write_case
from spinekit.curation.doctor.comparisons.outliers import far_out
from spinekit.curation.doctor.examination import Examination, ExamineOptions, examine_case
from spinekit.curation.doctor.findings import Finding
from spinekit.curation.doctor.rounds import Diagnosis, compare_cases, diagnose
from spinekit.curation.doctor.specimen import digest_voxels
from spinekit.curation.doctor.statistics import describe_diagnosis, describe_set

QUICK = ExamineOptions(image_axes=False, pictures=False)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> list[Examination]:
    folder = tmp_path_factory.mktemp("clean")
    return [examine_case(write_case(folder, f"c{n}", seed=n), QUICK) for n in range(9)]


def of_case(diagnosis: Diagnosis, name: str) -> dict[str, Finding]:
    return {f.code: f for f in diagnosis.findings if f.case == name and f.kind.severity != "note"}


def test_clean_cases_raise_no_alarm_though_their_masks_are_alike(
    clean: list[Examination],
) -> None:
    """The same spine lies in all: their masks are one, which must be said, and nothing else."""
    found = {f.code for f in compare_cases(clean).findings if f.kind.severity != "note"}

    assert found <= {"duplicate-mask", "near-duplicate"}


def test_the_digest_forgets_order_header_and_type() -> None:
    array = np.random.default_rng(0).integers(0, 900, (5, 6, 7)).astype(np.int16)
    other = array.copy()
    other[0, 0, 0] += 1

    assert digest_voxels(array) == digest_voxels(array.transpose(2, 0, 1)[:, ::-1])
    assert digest_voxels(array) == digest_voxels(array.astype(np.float32))
    assert digest_voxels(array) != digest_voxels(other)


def test_the_same_voxels_turned_and_stored_otherwise_are_a_duplicate(
    clean: list[Examination], tmp_path: Path
) -> None:
    twin = write_case(tmp_path, "twin")
    first = nib.load(clean[0].case.image)
    turned = np.asanyarray(first.dataobj).transpose(1, 0, 2)[::-1].astype(np.float32)
    plain = tmp_path / "plain.nii"
    nib.save(nib.Nifti1Image(turned, np.diag([2.0, 5.0, 2.0, 1.0])), plain)
    twin.image.write_bytes(gzip.compress(plain.read_bytes(), 9))
    diagnosis = compare_cases([*clean, examine_case(twin, QUICK)])

    assert of_case(diagnosis, "twin")["duplicate-image"].facts == {"with": ["c0"]}
    assert "another header" in of_case(diagnosis, "c0")["duplicate-image"].text


def test_a_patient_on_both_sides_is_a_leak(tmp_path: Path) -> None:
    cases = [
        write_case(tmp_path, name, subject=who, facts={"split": side}, seed=n)
        for n, (name, who, side) in enumerate(
            [("a1", "a", "train"), ("a2", "a", "test"), ("b1", "b", "train"), ("b2", "b", "train")]
        )
    ]
    leaks = {f.case for f in diagnose(cases, QUICK).findings if f.code == "split-leak"}

    assert leaks == {"a1", "a2"}


def test_what_others_mark_is_expected_where_it_is_in_view(
    clean: list[Examination], tmp_path: Path
) -> None:
    labels = spine().labels
    without = write_case(tmp_path, "without", labels=np.where(labels == 50, 0, labels), seed=50)
    cut = write_case(
        tmp_path,
        "cut",
        image=spine().image[:, :, 60:].astype(np.int16),
        labels=np.where(labels == 50, 0, labels)[:, :, 60:],
    )
    diagnosis = compare_cases([*clean, examine_case(without, QUICK), examine_case(cut, QUICK)])

    assert of_case(diagnosis, "without")["structure-missing"].structures == ("sacrum",)
    assert "structure-missing" not in of_case(diagnosis, "cut")


def test_what_the_user_expects_is_asked_of_every_case(clean: list[Examination]) -> None:
    diagnosis = compare_cases(clean[:1], expect=("L5", "L6", "T1"))

    assert of_case(diagnosis, "c0")["structure-missing"].structures == ("L6", "T1")


def test_outliers_lie_far_from_many_that_agree() -> None:
    values = np.array([1.0, 1.1, 0.9, 1.0, 1.05, 0.95, 1.0, 1.02, 5.0])

    assert far_out(values, 2.0).tolist() == [False] * 8 + [True]
    assert not far_out(values[-5:], 2.0).any()
    assert not far_out(np.array([1.0] * 8 + [1.9]), 2.0).any()


def test_brightness_and_spacing_unlike_the_rest_are_outliers(
    clean: list[Examination], tmp_path: Path
) -> None:
    drawn = spine()
    noise = np.random.default_rng(77).normal(0, 4, drawn.image.shape)
    bright = write_case(tmp_path, "bright", image=((drawn.image + noise) * 100).astype(np.float32))
    wide = write_case(tmp_path, "wide", affine=drawn.grid.affine @ np.diag([1, 2, 2, 1]), seed=78)
    diagnosis = compare_cases([*clean, examine_case(bright, QUICK), examine_case(wide, QUICK)])

    assert "intensity-outlier" in of_case(diagnosis, "bright")
    assert "spacing-outlier" in of_case(diagnosis, "wide")


def test_the_set_is_counted(clean: list[Examination]) -> None:
    statistics = describe_set(clean)
    content = describe_diagnosis(compare_cases(clean), source="x", dataset="folder")

    assert statistics["cases"] == 9
    assert statistics["orientations"] == {"RAS": 9}
    assert statistics["spacing_mm"]["R"] == [5.0, 5.0, 5.0]
    assert statistics["regions"] == {"cervical": 0, "thoracic": 9, "lumbar": 9, "sacral": 9}
    row = next(row for row in statistics["structures"] if row["name"] == "L3")
    assert row["cases"] == 9
    assert row["voxels"] == 9 * int((spine().labels == 43).sum())
    assert {case["name"] for case in content["cases"]} == {f"c{n}" for n in range(9)}


def test_an_empty_set_has_no_findings() -> None:
    assert compare_cases([]).findings == ()
    assert describe_set([])["spacing_mm"] == {"R": None, "A": None, "S": None}

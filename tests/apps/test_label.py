import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from blocks import NAMES, BlockSpine, draw_blocks
from results import report_of, vertebrae
from scan_files import Slices
from spinekit.anatomy.scheme import PARTS, VALUES, load_scheme
from spinekit.apps.cli import main
from spinekit.io.reading import hash_scan
from spinekit.io.writing import write_labels
from spinekit.labelling.chain import name_column
from spinekit.report import recall_evidence

SPINE = draw_blocks((4.0, 2.0, 2.0))
BODY = PARTS.index("body")


def write(path: Path, array: np.ndarray) -> str:
    nib.save(nib.Nifti1Image(array.astype(np.uint8), SPINE.grid.affine), path)
    return str(path)


def test_bone_of_one_value_is_split_in_order_and_its_names_are_unsure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bodies = SPINE.parts == BODY
    mask = write(tmp_path / "mask.nii.gz", bodies * 7)

    assert main(["label", mask, str(tmp_path / "out")]) == 0

    found = np.asarray(nib.load(tmp_path / "out" / "mask_dseg.nii.gz").dataobj)
    np.testing.assert_array_equal(found > 0, bodies)
    given = [np.unique(found[(SPINE.labels == VALUES[name]) & bodies]) for name in NAMES]
    assert [len(values) for values in given] == [1] * len(NAMES)
    assert len({int(values[0]) for values in given}) == len(NAMES)
    report = json.loads((tmp_path / "out" / "mask_dseg.json").read_text(encoding="utf-8"))
    assert report["column"]["ambiguous"]
    assert report["model"]["name"] is None
    printed = capsys.readouterr()
    assert "0 discs" in printed.out
    assert "names unsure" in printed.out
    assert (tmp_path / "out" / "mask_preview.png").exists()

    # What the report keeps gives the same names with the same certainty.
    column, evidence, names = recall_evidence(report["evidence"])
    again = name_column(column, evidence)
    assert again.names == names
    told = [row["probability"] for row in report["structures"]]
    assert [p for p in again.probability if p] == pytest.approx(told, abs=2e-3)

    result = str(tmp_path / "out" / "mask_dseg.nii.gz")
    assert main(["relabel", result, "--set", f"{given[-1][0]}=L5", "--quiet"]) == 0
    named = np.asarray(nib.load(result).dataobj)
    np.testing.assert_array_equal(named, SPINE.labels * bodies)


def test_parts_with_a_sacrum_are_named_right(tmp_path: Path) -> None:
    mask = write(tmp_path / "mask.nii.gz", SPINE.parts)

    assert main(["label", mask, str(tmp_path / "out"), "--as", "parts", "--quiet"]) == 0

    found = np.asarray(nib.load(tmp_path / "out" / "mask_dseg.nii.gz").dataobj)
    np.testing.assert_array_equal(found, SPINE.labels)


@pytest.mark.parametrize(
    ("array", "words", "code", "said"),
    [
        (SPINE.parts, [], 2, "--as bone"),
        (SPINE.parts * 0, [], 1, "nothing is marked"),
        (SPINE.parts * 9, ["--as", "parts"], 1, "beyond 1 to 6"),
        (SPINE.parts + 10, ["--as", "bone"], 1, "every voxel is marked"),
    ],
)
def test_a_mask_of_unknown_meaning_is_refused(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    array: np.ndarray,
    words: list[str],
    code: int,
    said: str,
) -> None:
    mask = write(tmp_path / "mask.nii.gz", array)

    assert main(["label", mask, str(tmp_path / "out"), *words]) == code
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_results_are_left_alone_until_they_are_to_be_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mask = write(tmp_path / "mask.nii.gz", SPINE.parts == BODY)
    main(["label", mask, str(tmp_path / "out"), "--quiet"])

    picture = tmp_path / "out" / "mask_preview.png"
    picture.write_bytes(b"mine")

    assert main(["label", mask, str(tmp_path / "out"), "--quiet"]) == 0
    assert picture.read_bytes() == b"mine"
    assert main(["label", mask, str(tmp_path / "out"), "--as", "instances"]) == 2
    assert "made with other options (meaning)" in capsys.readouterr().err
    assert main(["label", mask, str(tmp_path / "out"), "--overwrite", "--quiet"]) == 0
    assert picture.read_bytes() != b"mine"


def test_numbers_of_any_kind_stay_apart_and_are_put_in_order(tmp_path: Path) -> None:
    bones = np.isin(SPINE.parts, (BODY, PARTS.index("posterior")))
    table = np.zeros(256, np.int32)
    table[[VALUES[name] for name in NAMES]] = [900, 3, 77, 1, 40, 8]
    array = np.where(bones, table[SPINE.labels], 0)
    nib.save(nib.Nifti1Image(array, SPINE.grid.affine), tmp_path / "mask.nii.gz")
    words = ["label", str(tmp_path / "mask.nii.gz"), str(tmp_path / "out"), "--quiet"]

    assert main([*words, "--as", "instances"]) == 0

    report = report_of(tmp_path / "out", "mask")
    assert report["column"]["ambiguous"]
    found = np.asarray(nib.load(tmp_path / "out" / "mask_dseg.nii.gz").dataobj)
    np.testing.assert_array_equal(found > 0, array > 0)
    given = [np.unique(found[array == table[VALUES[name]]]).tolist() for name in NAMES]
    assert all(len(values) == 1 for values in given)
    assert sorted(given) == given
    parts = np.asarray(nib.load(tmp_path / "out" / "mask_parts.nii.gz").dataobj)
    np.testing.assert_array_equal(parts, np.where(bones, SPINE.parts, 0))


def test_the_values_of_a_scheme_come_back_as_ours(tmp_path: Path) -> None:
    theirs, _ = load_scheme("totalsegmentator-mr").convert(SPINE.labels)
    mask = write(tmp_path / "mask.nii.gz", theirs)

    words = ["label", mask, str(tmp_path / "out"), "--from", "totalsegmentator-mr", "--quiet"]
    assert main(words) == 0

    found = np.asarray(nib.load(tmp_path / "out" / "mask_dseg.nii.gz").dataobj)
    bones = np.isin(SPINE.labels, [VALUES[name] for name in (*NAMES, "sacrum")])
    np.testing.assert_array_equal(found[bones], SPINE.labels[bones])
    report = report_of(tmp_path / "out", "mask")
    (row,) = report["column"]["outside"]
    assert (row["source"], row["matched"]) == ("mask", len(NAMES))
    assert not report["column"]["ambiguous"]


def test_a_scheme_that_counts_from_below_is_believed_less(tmp_path: Path) -> None:
    theirs, _ = load_scheme("spider").convert(SPINE.labels)
    mask = write(tmp_path / "mask.nii.gz", theirs)

    assert main(["label", mask, str(tmp_path / "out"), "--from", "spider", "--quiet"]) == 0

    report = report_of(tmp_path / "out", "mask")
    assert vertebrae(report) == list(NAMES)
    lowest = next(row for row in report["structures"] if row["name"] == "L5")
    assert lowest["probability"] < 0.99


def test_names_that_a_sacrum_contradicts_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = SPINE.labels.copy()
    shown = [VALUES[name] for name in NAMES]
    for value, other in zip(shown, [VALUES["T11"], *shown], strict=False):
        wrong[SPINE.labels == value] = other
    wrong[np.isin(SPINE.parts, (PARTS.index("disc"), PARTS.index("canal")))] = 0
    mask = write(tmp_path / "mask.nii.gz", wrong)

    assert main(["label", mask, str(tmp_path / "out"), "--from", "totalspineseg"]) == 0

    assert "says T11 to L4 where all else says T12 to L5" in capsys.readouterr().err


def test_a_folder_goes_on_after_a_bad_mask_in_any_format(tmp_path: Path) -> None:
    (tmp_path / "masks" / "p1").mkdir(parents=True)
    write(tmp_path / "masks" / "p1" / "a_bodies.nii.gz", SPINE.parts == BODY)
    write(tmp_path / "masks" / "b_bodies.nii.gz", SPINE.parts * 0)
    write(tmp_path / "masks" / "c_discs.nii.gz", SPINE.parts == PARTS.index("disc"))
    words = ["label", str(tmp_path / "masks"), str(tmp_path / "out"), "--suffix", "_bodies"]

    assert main([*words, "--format", "seg.nrrd", "--quiet"]) == 1

    made = sorted(path.name for path in (tmp_path / "out").rglob("*.nrrd"))
    assert made == ["a_bodies_dseg.seg.nrrd", "a_bodies_parts.seg.nrrd"]
    failures = json.loads((tmp_path / "out" / "failures.json").read_text())
    assert [(row["input"], row["code"]) for row in failures] == [("b_bodies.nii.gz", "empty-mask")]
    assert "p1/a_bodies.nii.gz,done" in (tmp_path / "out" / "summary.csv").read_text()


def test_a_mask_without_a_scan_fails_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("masks/a_bodies", "masks/b_bodies", "scans/a"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        array = SPINE.image if name == "scans/a" else SPINE.parts == BODY
        write(tmp_path / f"{name}.nii.gz", array)
    words = ["--image", str(tmp_path / "scans"), "--rules-only", "--quiet"]

    assert main(["label", str(tmp_path / "masks"), str(tmp_path / "out"), *words]) == 1

    said = capsys.readouterr().err
    assert "b_bodies.nii.gz: " in said
    assert "no such scan for this mask; check --image" in said
    assert (tmp_path / "out" / "a_bodies_dseg.nii.gz").is_file()
    assert not (tmp_path / "out" / "b_bodies_dseg.nii.gz").exists()


def test_a_mask_takes_no_scan_of_another_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("masks/s10_bodies", "scans/s1"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path / f"{name}.nii.gz", SPINE.parts == BODY)
    words = ["label", str(tmp_path / "masks" / "s10_bodies.nii.gz"), str(tmp_path / "out")]

    assert main([*words, "--image", str(tmp_path / "scans"), "--rules-only"]) == 2
    assert "no scan for s10_bodies.nii.gz" in capsys.readouterr().err


def test_a_scan_that_lies_elsewhere_is_no_evidence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mask = write(tmp_path / "mask.nii.gz", SPINE.parts == BODY)
    moved = SPINE.grid.affine.copy()
    moved[2, 3] += 0.5 * SPINE.grid.size_mm[2]
    nib.save(nib.Nifti1Image(SPINE.image.astype(np.int16), moved), tmp_path / "scan.nii.gz")
    words = ["label", mask, str(tmp_path / "out"), "--image", str(tmp_path / "scan.nii.gz")]

    assert main([*words, "--rules-only"]) == 1

    said = capsys.readouterr().err
    assert "scan.nii.gz: holds " in said
    assert "the mask is of another scan" in said
    assert not (tmp_path / "out").exists()


def test_segmentations_of_slicer_are_the_masks_of_their_folder(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    write(tmp_path / "masks" / "a.nii.gz", SPINE.image)
    bone = (SPINE.parts == BODY).astype(np.uint8)
    write_labels(tmp_path / "masks" / "a.seg.nrrd", bone, SPINE.grid)

    assert main(["label", str(tmp_path / "masks"), str(tmp_path / "out"), "--quiet"]) == 0

    found = np.asarray(nib.load(tmp_path / "out" / "a_dseg.nii.gz").dataobj)
    np.testing.assert_array_equal(found > 0, bone > 0)


def test_values_that_mean_nothing_in_a_scheme_are_told(tmp_path: Path) -> None:
    labels = SPINE.labels.copy()
    labels[labels == VALUES["L3"]] = 7
    count = int((labels == 7).sum())
    mask = write(tmp_path / "mask.nii.gz", labels)

    assert main(["label", mask, str(tmp_path / "out"), "--from", "spinekit", "--quiet"]) == 0

    warnings = report_of(tmp_path / "out", "mask")["warnings"]
    (told,) = [row["text"] for row in warnings if row["code"] == "values-left-out"]
    assert f"7 ({count} voxels)" in told


def test_the_scan_is_evidence_unless_only_rules_are_asked_for(
    tmp_path: Path, oracle: None, spine: BlockSpine
) -> None:
    bodies = (spine.parts == BODY).astype(np.uint8)
    for folder, array in (("masks", bodies), ("scans", spine.image.astype(np.int16))):
        (tmp_path / folder).mkdir()
        name = "s_bodies" if folder == "masks" else "s"
        nib.save(nib.Nifti1Image(array, spine.grid.affine), tmp_path / folder / f"{name}.nii.gz")
    words = ["label", str(tmp_path / "masks"), str(tmp_path / "out"), "--quiet"]
    words += ["--image", str(tmp_path / "scans")]

    assert main([*words, "--rules-only"]) == 0
    report = report_of(tmp_path / "out", "s_bodies")
    assert report["column"]["ambiguous"]
    assert report["model"]["name"] is None

    assert main([*words, "--overwrite"]) == 0
    report = report_of(tmp_path / "out", "s_bodies")
    assert vertebrae(report) == list(NAMES)
    assert not report["column"]["ambiguous"]
    assert report["model"]["name"] == "oracle"


def write_dicom(folder: Path, **tags: object) -> None:
    """The scan of blocks as a DICOM series."""
    size = SPINE.grid.shape
    low = SPINE.grid.affine[:3, 3]
    image = np.flip(SPINE.image.transpose(1, 2, 0), (0, 1)).astype(np.int16)
    high = low + 2.0 * (np.array(size) - 1)
    origin = (-low[0], -high[1], high[2])
    flat = {"spacing": (2.0, 2.0), "slope": 1.0, "intercept": 0.0, "origin": origin, **tags}
    Slices(image, **flat).write(folder, prefix=str(tags.get("number", "IM")))


@pytest.mark.parametrize("mask", ["one_mask", "bodies", "scans/one/bodies"])
def test_a_dicom_folder_is_the_scan_itself(tmp_path: Path, mask: str) -> None:
    scan = tmp_path / "scans" / "one"
    write_dicom(scan)
    path = write(tmp_path / f"{mask}.nii.gz", SPINE.parts == BODY)
    words = ["label", path, str(tmp_path / "out"), "--image", str(scan), "--rules-only"]

    assert main(words) == 0
    report = report_of(tmp_path / "out", Path(mask).name)
    assert report["options"]["image"] == hash_scan(scan)
    assert main(words) == 0


def test_of_a_dicom_folder_of_several_series_one_must_be_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2):
        write_dicom(tmp_path / "scan", number=number, uid=f"1.2.3.{number}")
    mask = write(tmp_path / "mask.nii.gz", SPINE.parts == BODY)
    words = ["label", mask, str(tmp_path / "out"), "--image", str(tmp_path / "scan")]

    assert main([*words, "--rules-only"]) == 2
    assert "give a folder that holds the series of the mask alone" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "nonsense"], "no label scheme is called"),
        (["--from", "spider", "--as", "bone"], "two things"),
        (["--as", "bone", "--image", "absent"], "absent: no such file or folder"),
    ],
)
def test_wrong_use_of_label(
    tmp_path: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mask = write(tmp_path / "mask.nii.gz", SPINE.parts == BODY)

    assert main(["label", mask, str(tmp_path / "out"), *words]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

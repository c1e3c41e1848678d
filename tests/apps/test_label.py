import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from blocks import NAMES, draw_blocks
from spinekit.anatomy.scheme import PARTS, VALUES
from spinekit.apps.cli import main

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
    assert "6 bones" in printed.out
    assert "names unsure" in printed.out
    assert (tmp_path / "out" / "mask_preview.png").exists()

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


def test_results_are_left_alone_until_they_are_to_be_replaced(tmp_path: Path) -> None:
    mask = write(tmp_path / "mask.nii.gz", SPINE.parts == BODY)
    main(["label", mask, str(tmp_path / "out"), "--quiet"])

    assert main(["label", mask, str(tmp_path / "out")]) == 2
    assert main(["label", mask, str(tmp_path / "out"), "--overwrite", "--quiet"]) == 0

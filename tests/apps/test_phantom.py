import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from spinekit.apps.cli import main
from spinekit.apps.phantom import check_place
from unprivileged import as_nobody

SMALL = ["--fov", "lumbar", "--spacing", "5", "2", "2"]


def test_scans_labels_and_truth_agree(tmp_path: Path) -> None:
    assert main(["phantom", str(tmp_path), "-n", "2", "--seed", "3", *SMALL, "--quiet"]) == 0

    names = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert names == sorted(
        f"phantom0000{seed}{ending}"
        for seed in (3, 4)
        for ending in (".nii.gz", "_dseg.nii.gz", "_parts.nii.gz", ".json")
    )
    image = nib.load(tmp_path / "images" / "phantom00003.nii.gz")
    labels = nib.load(tmp_path / "labels" / "phantom00003_dseg.nii.gz")
    truth = json.loads((tmp_path / "truth" / "phantom00003.json").read_text())
    assert image.shape == labels.shape
    np.testing.assert_array_equal(image.affine, labels.affine)
    assert 44 in np.asarray(labels.dataobj)
    assert "L4" in truth["levels"]


def test_the_seed_decides_and_existing_scans_stay(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        main(["phantom", str(tmp_path / folder), "--seed", "5", *SMALL, "--quiet"])
    first, second = (tmp_path / f / "images" / "phantom00005.nii.gz" for f in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()

    first.write_bytes(b"mine")
    main(["phantom", str(tmp_path / "a"), "--seed", "5", *SMALL, "--quiet"])
    assert first.read_bytes() == b"mine"
    main(["phantom", str(tmp_path / "a"), "--seed", "5", *SMALL, "--quiet", "--overwrite"])
    assert first.read_bytes() == second.read_bytes()


def test_anomalies_are_drawn_on_request(tmp_path: Path) -> None:
    main(["phantom", str(tmp_path), *SMALL, "--anomaly", "L6", "--quiet"])

    truth = json.loads((tmp_path / "truth" / "phantom00000.json").read_text())
    assert "L6" in truth["column"]


def test_an_unknown_anomaly_is_wrong_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["phantom", str(tmp_path), "--anomaly", "L9"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "L9" in line
    assert "four-lumbar" in line


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_a_phantom_drawn_with_other_options_is_replaced_only_when_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["phantom", str(tmp_path), "--spacing", "5", "3", "3", "--quiet"]
    truth = tmp_path / "truth" / "phantom00007.json"
    other = [*words, "--fov", "lumbar", "--contrast", "T1", "--anomaly", "none"]
    assert main([*words, "--seed", "7", "--fov", "cervical", "--anomaly", "fused-disc"]) == 0
    before = truth.read_bytes()

    assert main([*other, "--seed", "6", "-n", "2"]) == 2

    (line,) = lines_of(capsys)
    assert "phantom00007.json was drawn with other options; add --overwrite" in line
    assert truth.read_bytes() == before
    assert not (tmp_path / "truth" / "phantom00006.json").exists()
    assert main([*other, "--seed", "7", "--overwrite"]) == 0
    drawn = json.loads(truth.read_text())
    assert (drawn["fov"], drawn["contrast"], drawn["anomalies"]) == ("lumbar", "T1", [])
    assert main([*other, "--seed", "7"]) == 0
    assert main([*other, "--seed", "7", "--plane", "isotropic"]) == 2
    assert main([*words[:2], "--seed", "7", "--fov", "lumbar", "--contrast", "T1"]) == 2


def test_of_a_phantom_that_is_not_whole_missing_files_come_back_and_foreign_ones_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["phantom", str(tmp_path), "--fov", "lumbar", "--spacing", "5", "3", "3", "--quiet"]
    image = tmp_path / "images" / "phantom00000.nii.gz"
    truth = tmp_path / "truth" / "phantom00000.json"
    assert main(words) == 0
    first = image.read_bytes()
    image.unlink()
    assert main(words) == 0
    assert image.read_bytes() == first

    image.write_bytes(b"mine")
    for unknown in ("{}", "[]", '{"options": 1}', "no JSON", None):
        truth.unlink() if unknown is None else truth.write_text(unknown)
        assert main(words) == 2
        (line,) = lines_of(capsys)
        assert "--overwrite" in line
    assert image.read_bytes() == b"mine"


@pytest.mark.parametrize(
    "sizes", ["0 1 1", "-1 1 1", "nan 1 1", "1 inf 1", "1 1 1e9", "0.2 0.2 0.2"]
)
def test_voxels_of_no_sensible_size_are_wrong_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sizes: str
) -> None:
    assert main(["phantom", str(tmp_path / "out"), "--spacing", *sizes.split()]) == 2

    (line,) = lines_of(capsys)
    assert "mm" in line
    assert "report" not in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", [["phantom"], ["demo", "--out"]])
@pytest.mark.parametrize("inside", ["", "sub"])
def test_out_may_be_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str], inside: str
) -> None:
    (tmp_path / "taken").write_bytes(b"mine")

    assert main([*command, str(tmp_path / "taken" / inside)]) == 2

    (line,) = lines_of(capsys)
    assert "a file" in line
    assert "choose a folder" in line
    assert (tmp_path / "taken").read_bytes() == b"mine"


@pytest.mark.parametrize("folder", ["closed", "closed/new"])
def test_no_permission_to_write_is_told_before_anything_is_drawn(
    tmp_path: Path, folder: str
) -> None:
    check_place(tmp_path / "open")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "closed").mkdir(mode=0o555)

    assert as_nobody(tmp_path, lambda: check_place(Path(folder))).startswith(
        "OutputError no-permission"
    )
    assert list((tmp_path / "closed").iterdir()) == []


def test_the_seed_to_measure_with_is_none_that_a_recipe_trains_on(capsys) -> None:
    from spinekit.training.recipe import read_recipe

    root = Path(__file__).parents[2]
    assert main(["phantom", "--help"]) == 0
    pages = (root / "README.md", root / "docs" / "reference" / "command-line.md")
    texts = [capsys.readouterr().out, *(page.read_text(encoding="utf-8") for page in pages)]

    assert all("900000 to 999999" in text for text in texts)
    embedded = read_recipe(root / "recipes" / "default.toml").seed * 1_000_000
    assert all(str(embedded) in text for text in texts[::2])
    measured = range(900_000, 1_000_000)
    for path in sorted((root / "recipes").glob("*.toml")):
        recipe = read_recipe(path)
        first = recipe.seed * 1_000_000
        assert first + recipe.phantoms <= measured.start or first >= measured.stop, path.name

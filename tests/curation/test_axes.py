"""Flips and permutations planted in a set, and put right by a person, the masks or the doctor."""

import json
from pathlib import Path

import numpy as np
import pytest

from curation.sets import recipe_table, save, small_spine
from results import voxels
from spinekit.anatomy.scheme import VALUES
from spinekit.apps.cli import main
from spinekit.core.errors import RecipeError, UsageError
from spinekit.core.geometry import oriented_grid
from spinekit.core.grid import Grid
from spinekit.core.resampling import resample_nearest
from spinekit.core.volume import Volume
from spinekit.curation import repair
from spinekit.curation.axes import turn_header
from spinekit.curation.doctor import image_axes
from spinekit.curation.doctor.axes import AxisReading
from spinekit.curation.layer import Layer
from spinekit.curation.recipe import prepare_recipe
from spinekit.curation.repair import read_report, reread_axes
from spinekit.curation.run import prepare_set
from spinekit.datasets.case import Case, MaskFile
from spinekit.synth.phantom import draw_phantom

SPINE = small_spine()
NAMES = {value: name for name, value in VALUES.items()}
PLANTS = {
    "clean": lambda array: array,
    "front": lambda array: array[:, ::-1],
    "head": lambda array: array[:, :, ::-1],
    "both": lambda array: array[:, ::-1, ::-1],
    "swap": lambda array: array.transpose(0, 2, 1),
    "turn": lambda array: array.transpose(2, 0, 1)[::-1],
}
"""What is done to the voxels of image and mask; the header goes on to call the axes R, A, S."""


@pytest.fixture
def planted(tmp_path) -> Path:
    """A set with a case for each plant."""
    steps = np.array(SPINE.grid.spacing_mm)
    for number, (name, plant) in enumerate(PLANTS.items()):
        order = plant(np.zeros((2, 3, 4))).shape
        affine = np.diag([*(steps[n - 2] for n in order), 1.0])
        image = np.rint(plant(SPINE.image)) + number
        save(tmp_path / "in" / "images" / f"sub_{name}.nii.gz", image.astype(np.int16), affine)
        save(tmp_path / "in" / "labels" / f"sub_{name}.nii.gz", plant(SPINE.labels), affine)
    return tmp_path / "in"


def prepare(root: Path, out: Path, word: str) -> dict:
    table = recipe_table(root)
    table["sources"][0] |= {"fix_axes": word, "settings": {"values": "spinekit"}}
    return prepare_set(prepare_recipe(table), out)


def is_upright(path: Path) -> bool:
    """Whether a prepared map is the drawn one, but perhaps for left and right."""
    labels = voxels(path)
    return any(np.array_equal(labels, truth) for truth in (SPINE.labels, SPINE.labels[::-1]))


def notices(out: Path, name: str) -> list[str]:
    record = json.loads((out / "cases" / f"sub_{name}.json").read_text())
    return [row["code"] for row in record["notices"]]


@pytest.mark.parametrize("word", ["labels", "doctor"])
def test_planted_flips_and_permutations_are_put_right(planted, tmp_path, word: str) -> None:
    out = tmp_path / "out"

    assert prepare(planted, out, word)["failures"] == []

    for name in PLANTS:
        assert is_upright(out / "labels" / f"sub_{name}.nii.gz"), name
        assert ("axes-fixed" in notices(out, name)) == (name != "clean"), name


def test_without_being_asked_nothing_is_repaired(planted, tmp_path) -> None:
    prepare(planted, tmp_path / "out", "")

    upright = {n for n in PLANTS if is_upright(tmp_path / "out" / "labels" / f"sub_{n}.nii.gz")}
    assert upright == {"clean"}


def test_what_the_doctor_wrote_down_is_repaired_and_may_be_corrected(planted, tmp_path) -> None:
    words = ["data", "doctor", str(planted), "--set", "values=spinekit", "--no-model"]
    assert main([*words, "--no-pictures", "--quiet", "--out", str(tmp_path / "said")]) == 0
    report = tmp_path / "said" / "doctor.json"

    assert main(["data", "prepare", str(planted), str(tmp_path / "out"), "--values", "spinekit",
                 "--fix-axes", str(report), "--quiet"]) == 0  # fmt: skip

    for name in PLANTS:
        assert is_upright(tmp_path / "out" / "labels" / f"sub_{name}.nii.gz"), name
    content = json.loads(report.read_text())
    content["findings"] = [f for f in content["findings"] if f["case"] != "sub_head"]
    report.write_text(json.dumps(content))
    main(["data", "prepare", str(planted), str(tmp_path / "out"), "--values", "spinekit",
          "--fix-axes", str(report), "--quiet", "--overwrite"])  # fmt: skip
    assert not is_upright(tmp_path / "out" / "labels" / "sub_head.nii.gz")
    assert is_upright(tmp_path / "out" / "labels" / "sub_front.nii.gz")


def test_a_report_that_is_none_or_of_another_set_is_refused(planted, tmp_path) -> None:
    report = tmp_path / "doctor.json"
    report.write_text('{"cases": [{"name": "sub_clean"}], "findings": []}')
    with pytest.raises(UsageError, match="does not know the case sub_both") as error:
        prepare(planted, tmp_path / "out", str(report))
    assert error.value.code == "not-examined"
    report.write_text("[]")
    with pytest.raises(UsageError, match="no report of the doctor"):
        read_report(report)
    finding = {"code": "axes-wrong", "case": "a", "facts": {"found": "RRS"}}
    report.write_text(json.dumps({"cases": [], "findings": [finding]}))
    with pytest.raises(RecipeError, match="no orientation"):
        read_report(report)


def reread(labels: np.ndarray, grid: Grid) -> str | None:
    """Letters by the masks, None where they contradict nothing or tell nothing."""
    image = Volume(np.ones(grid.shape, np.float32), grid)
    case = Case("case", "set", "p1", Path("image.nii.gz"))
    layer = Layer(MaskFile(Path("mask"), NAMES), Volume(labels, grid), NAMES)
    reading = reread_axes(case, image, [layer], with_image=False)
    return reading.found if reading is not None and reading.is_wrong else None


@pytest.mark.parametrize("truth", ["RAS", "PIR", "SRA", "LPS", "ARI", "IRA"])
def test_labels_tell_where_the_axes_point(truth: str) -> None:
    true = oriented_grid(SPINE.grid, truth)
    labels = resample_nearest(SPINE.labels, SPINE.grid, true)
    assert reread(labels, true) is None
    for header in ("RAS", "LAI", "PSR", "ARS"):
        found = reread(labels, turn_header(true, header))

        assert (found or header).replace("L", "R") == truth.replace("L", "R")


def test_too_few_labels_say_nothing_of_axes() -> None:
    labels = np.where(SPINE.labels == VALUES["L4"], SPINE.labels, 0)
    labels[:, :, ::2] = 0

    assert reread(np.zeros_like(labels), turn_header(SPINE.grid, "PSR")) is None
    body = np.where((SPINE.labels == VALUES["L4"]) & (SPINE.parts == 1), SPINE.labels, 0)
    assert reread(body, turn_header(SPINE.grid, "PSR")) is None


def test_a_person_s_letters_count_unasked_and_keep_obliqueness() -> None:
    tilted = SPINE.grid.affine.copy()
    angle = np.deg2rad(10)
    tilt = np.array(
        [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    )
    tilted[:3, :3] = tilt @ tilted[:3, :3]
    grid = Grid(SPINE.grid.shape, tilted)
    turned = turn_header(grid, "PSR")

    assert turned.orientation == "PSR"
    assert turned.spacing_mm == pytest.approx(grid.spacing_mm)
    middle = (np.array(grid.shape) - 1) / 2
    assert turned.ijk_to_ras(middle) == pytest.approx(grid.ijk_to_ras(middle))
    back = turn_header(turned, grid.orientation)
    assert back.affine == pytest.approx(grid.affine)


def test_a_flip_that_only_the_image_tells_is_said_and_left(planted, tmp_path, monkeypatch) -> None:
    """One tag for all bone tells no direction; the model's word on an exchange of ends is weak."""
    body = ((SPINE.labels == VALUES["L4"]) & (SPINE.parts == 1)).astype(np.uint8)
    for name, plant in PLANTS.items():
        save(planted / "labels" / f"sub_{name}.nii.gz", plant(body), np.eye(4))
    asked = []

    def look(volume: Volume, upright: object = None):
        asked.append(volume.shape)
        stated = volume.grid.orientation
        return AxisReading(stated, stated.translate(str.maketrans("AP", "PA")), "SA", "image")

    monkeypatch.setattr("spinekit.curation.doctor.image_axes.read_image_axes", look)
    table = recipe_table(planted)
    settings = {"values": {"1": "L4"}}
    table["sources"][0] |= {"fix_axes": "doctor", "settings": settings, "masks_on_image": True}
    prepare_set(prepare_recipe(table), tmp_path / "out")

    assert len(asked) == len(PLANTS)
    assert "axes-doubtful" in notices(tmp_path / "out", "front")
    assert "axes-fixed" not in notices(tmp_path / "out", "front")


def test_the_model_tells_axes_that_no_mask_tells() -> None:
    phantom = draw_phantom(6, fov="lumbar", contrast="T2", spacing_mm=(4, 1.2, 1.2), anomalies=())
    case = Case("case", "set", "p1", Path("image.nii.gz"))
    wrong = turn_header(phantom.grid, "ASR")

    reading = repair.reread_axes(case, Volume(phantom.image, wrong), [], with_image=True)

    assert reading is not None
    assert reading.is_wrong
    assert reading.is_sure
    assert {reading.found[0], reading.found[2]} <= {"R", "L", "S", "I"}
    assert turn_header(wrong, reading.found).orientation[1] == "A"


@pytest.mark.parametrize(("behind", "sure"), [(500.0, True), (3700.0, False), (3950.0, False)])
def test_axes_whose_front_is_unclear_are_said_and_left(monkeypatch, behind, sure) -> None:
    """The best way of looking is believed about the front only where its mirror shows less."""
    seen = {"RAS": 4000.0, "RPS": 300.0, "RAI": 3900.0, "RPI": behind}
    monkeypatch.setattr(image_axes, "_model", lambda: None)
    monkeypatch.setattr(
        image_axes, "_look", lambda _, __, way: image_axes.Look(way, seen.get(way, 0.0))
    )
    volume = Volume(SPINE.image, turn_header(SPINE.grid, "SRA"))

    reading = image_axes.read_image_axes(volume)

    assert reading is not None
    assert (reading.found, reading.told) == ("RAS", "SA" if sure else "S")
    assert reading.is_wrong
    assert reading.is_sure == sure

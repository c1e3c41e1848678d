"""What a case's masks become: grey, displaced, nameless, with wrong axes."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from curation.sets import save, small_spine
from spinekit.anatomy.scheme import NAMES, VALUES
from spinekit.core.errors import InputError
from spinekit.core.geometry import oriented_grid
from spinekit.core.resampling import resample_nearest
from spinekit.curation.reading import read_case
from spinekit.curation.recipe import PrepareRecipe, Source
from spinekit.datasets.case import Case, MaskFile
from spinekit.datasets.meaning import POINT_VALUES, mask_file
from spinekit.io.writing import write_seg_nrrd

SPINE = small_spine()


@pytest.fixture
def case_of(tmp_path):
    """A case of the spine with masks as arrays, on the image's grid unless told otherwise."""

    def make(*masks: tuple[np.ndarray, dict, bool], affine=SPINE.grid.affine, facts=None) -> Case:
        image = save(tmp_path / "image.nii.gz", SPINE.image, SPINE.grid.affine)
        files = []
        for number, (array, values, binary) in enumerate(masks):
            path = save(tmp_path / f"mask{number}.nii.gz", array, affine)
            files.append(MaskFile(path, values, binary=binary))
        return Case("case", "set", "p1", image, tuple(files), facts=facts or {})

    return make


def codes(data) -> list[str]:
    return [row["code"] for row in data.notices]


def test_a_grey_mask_is_cut_at_half(case_of) -> None:
    body = (SPINE.labels == VALUES["L4"]).astype(np.float32)
    grey = body.copy()
    grey[body > 0] = 0.7
    grey[tuple(np.argwhere(body > 0)[0])] = 1.0
    grey[0, 0, 0] = 0.2

    data = read_case(case_of((grey, {1: "L4"}, True)), Source(), PrepareRecipe())

    assert (data.labels > 0).sum() == body.sum()
    assert "grey-mask" in codes(data)


def test_a_grey_mask_of_whole_numbers_is_cut_at_half(case_of) -> None:
    body = SPINE.labels == VALUES["L4"]
    grey = (ndimage.gaussian_filter(body.astype(np.float32), 0.6) * 255).astype(np.uint8)

    data = read_case(case_of((grey, {1: "L4"}, True)), Source(), PrepareRecipe())

    assert (data.labels > 0).sum() == (grey > grey.max() / 2).sum()
    assert "grey-mask" in codes(data)


def test_numbered_pieces_of_one_structure_all_count(case_of) -> None:
    discs = [VALUES[name] for name in ("L4-L5", "L3-L4", "L2-L3", "L1-L2")]
    numbered = np.zeros_like(SPINE.labels)
    for number, value in enumerate(discs, start=1):
        numbered[SPINE.labels == value] = number

    data = read_case(case_of((numbered, {1: "disc"}, True)), Source(), PrepareRecipe())

    assert [row["voxels"] for row in data.losses] == [(numbered > 0).sum()]
    assert "numbered-mask" in codes(data)


def test_values_without_a_meaning_are_refused(case_of) -> None:
    with pytest.raises(InputError, match="nothing says what they mean") as error:
        read_case(case_of((SPINE.labels, {}, False)), Source(), PrepareRecipe())
    assert error.value.code == "values-unknown"
    assert "--values totalspineseg" in error.value.remedy


def segmented(tmp_path, array: np.ndarray, segments: dict[int, str], values: object) -> Case:
    """A case whose mask is a segmentation of 3D Slicer with these names."""
    path = tmp_path / "mask.seg.nrrd"
    rows = [(value, name, (255, 0, 0)) for value, name in segments.items()]
    write_seg_nrrd(path, array.astype(np.uint8), SPINE.grid, rows)
    image = save(tmp_path / "image.nii.gz", SPINE.image, SPINE.grid.affine)
    return Case("case", "set", "p1", image, (mask_file(path, values),))


OWN = {int(v): NAMES[int(v)] for v in np.unique(SPINE.labels) if v}


def test_segments_are_what_they_are_called(tmp_path) -> None:
    """Everything from L5 upwards is renamed, the values left as they were."""
    below = {"T12": "L1", "L1": "L2", "L2": "L3", "L3": "L4", "L4": "L5", "L5": "L6"}
    bones = np.isin(SPINE.labels, [VALUES[name] for name in below])
    named = {value: below.get(name, name) for value, name in OWN.items() if name in below}
    case = segmented(tmp_path, np.where(bones, SPINE.labels, 0), named, "spinekit")

    data = read_case(case, Source(), PrepareRecipe())

    for old, new in below.items():
        assert ((data.labels == VALUES[new]) == (SPINE.labels == VALUES[old])).all()
    (notice,) = data.notices
    assert notice["code"] == "segment-names"
    assert "45 (L5) is called L6" in notice["text"]


@pytest.mark.parametrize("values", ["spinekit", None])
def test_a_segment_drawn_anew_has_its_name(tmp_path, values) -> None:
    redrawn = np.where(SPINE.labels == VALUES["L5"], 101, SPINE.labels)
    named = OWN | {101: "L5"}

    data = read_case(segmented(tmp_path, redrawn, named, values), Source(), PrepareRecipe())

    assert (data.labels == SPINE.labels).all()
    assert (codes(data), data.losses) == ([], [])


def test_a_name_that_is_none_of_ours_is_told_and_not_used(tmp_path) -> None:
    case = segmented(tmp_path, SPINE.labels, OWN | {VALUES["L5"]: "L4 new"}, "spinekit")

    data = read_case(case, Source(), PrepareRecipe())

    assert (data.labels == SPINE.labels).all()
    assert "45 (L5) is called 'L4 new', which is not used" in data.notices[0]["text"]


@pytest.mark.parametrize("meaning", ["body", {5: "vertebra", 7: "disc"}])
def test_segments_of_tissue_keep_their_meaning(tmp_path, meaning) -> None:
    tissue = np.where(np.isin(SPINE.parts, (1, 2)), 5, 0)
    tissue[SPINE.parts == 3] = 7
    named = {5: "Segment_1", 7: "Segment_2"}

    data = read_case(
        segmented(tmp_path, tissue, named, meaning), Source(), PrepareRecipe(split_bone=False)
    )

    assert {row["name"] for row in data.losses} <= {"vertebra", "disc"}
    assert sum(row["voxels"] for row in data.losses) == (tissue > 0).sum()


def test_a_mask_on_another_grid_is_brought_over(case_of) -> None:
    turned = oriented_grid(SPINE.grid, "PSR")
    labels = resample_nearest(SPINE.labels, SPINE.grid, turned)
    values = {value: name for name, value in VALUES.items()}

    data = read_case(
        case_of((labels, values, False), affine=turned.affine), Source(), PrepareRecipe()
    )

    assert (data.labels == SPINE.labels).all()
    assert codes(data) == ["mask-grid"]


def test_a_mask_with_a_header_of_its_own_can_be_trusted(case_of) -> None:
    values = {value: name for name, value in VALUES.items()}
    case = case_of((SPINE.labels, values, False), affine=np.diag([1.0, 1, 1, 1]))

    data = read_case(case, Source(masks_on_image=True), PrepareRecipe())

    assert (data.labels == SPINE.labels).all()


def test_bone_in_one_tag_is_split_and_named(case_of) -> None:
    bodies = (SPINE.parts == 1).astype(np.uint8)
    case = case_of((bodies, {1: "body"}, True), facts={"levels": "T12 L1 L2 L3 L4 L5"})

    data = read_case(case, Source(), PrepareRecipe())

    for name in ("T12", "L1", "L2", "L3", "L4", "L5"):
        truth = (SPINE.labels == VALUES[name]) & (bodies > 0)
        assert ((data.labels == VALUES[name]) & truth).sum() > 0.8 * truth.sum(), name
    with pytest.raises(InputError, match="splits into 6 vertebrae, but 2 names"):
        read_case(case, Source(bone_names=("L4", "L5")), PrepareRecipe())
    kept = read_case(case, Source(), PrepareRecipe(split_bone=False))
    assert not kept.labels.any()
    assert [(row["name"], row["reason"]) for row in kept.losses] == [("vertebra", "no-name")]


COLUMN = ("T8", "T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5")


def bone_and_discs(case_of, called: dict[str, str]) -> Case:
    """All bone but the sacrum in one tag, the canal, and discs as someone called them."""
    bone = np.isin(SPINE.parts, (1, 2)).astype(np.uint8)
    canal = (SPINE.parts == 4).astype(np.uint8)
    values = {VALUES[name]: given for name, given in called.items()}
    discs = np.where(np.isin(SPINE.labels, list(values)), SPINE.labels, 0).astype(np.uint8)
    return case_of(
        (bone, {1: "vertebra"}, True), (canal, {1: "canal"}, True), (discs, values, False)
    )


def called_most(data, name: str) -> int:
    """Value that most voxels of a body have."""
    body = (SPINE.labels == VALUES[name]) & (SPINE.parts == 1)
    return int(np.bincount(data.labels[body]).argmax())


@pytest.mark.parametrize("shift", [0, -1, -3])
@pytest.mark.parametrize("levels", [COLUMN[4:], ("L2", "L3", "L4"), ("L4", "L5")])
def test_bone_in_one_tag_is_named_by_the_named_discs_beside_it(case_of, levels, shift) -> None:
    """Whatever sizes say: discs that bear the names of others take the bones along."""
    there = {name: COLUMN[COLUMN.index(name) + shift] for name in COLUMN[4:]}
    called = {f"{a}-{b}": f"{there[a]}-{there[b]}" for a, b in pairwise(levels)}

    data = read_case(bone_and_discs(case_of, called), Source(), PrepareRecipe())

    for name, given in there.items():
        assert called_most(data, name) == VALUES[given]
    assert codes(data) == []


def test_four_lumbar_vertebrae_by_their_discs(case_of) -> None:
    called = {"L2-L3": "L2-L3", "L3-L4": "L3-L4", "L4-L5": "L5-S1"}
    data = read_case(bone_and_discs(case_of, called), Source(), PrepareRecipe())
    assert codes(data) == ["discs-disagree"]  # L5 lies below the last disc

    called = {"L3-L4": "L2-L3", "L4-L5": "L3-L4", "L5-S1": "L5-S1"}
    data = read_case(bone_and_discs(case_of, called), Source(), PrepareRecipe())
    assert [called_most(data, name) for name in ("L3", "L4", "L5")] == [42, 43, 44]


def test_bone_that_no_column_has_between_the_named_discs_stays_nameless(case_of) -> None:
    called = {"L1-L2": "L1-L2", "L2-L3": "L3-L4"}

    data = read_case(bone_and_discs(case_of, called), Source(), PrepareRecipe())

    assert codes(data) == ["discs-disagree"]
    assert set(np.unique(data.labels)) == {0, 2, VALUES["L1-L2"], VALUES["L3-L4"]}
    lost = [(row["name"], row["reason"], row["voxels"]) for row in data.losses]
    assert lost == [("vertebra", "no-name", np.isin(SPINE.parts, (1, 2)).sum())]


def test_names_given_win_over_discs(case_of) -> None:
    case = bone_and_discs(case_of, {"L2-L3": "L2-L3"})

    data = read_case(case, Source(bone_names=COLUMN[3:-1]), PrepareRecipe())

    assert called_most(data, "L5") == VALUES["L4"]


def disc_points() -> np.ndarray:
    """A voxel of each disc's rear rim, numbered as the Spinal Cord Toolbox does."""
    points = np.zeros_like(SPINE.labels)
    for number, name in POINT_VALUES.items():
        where = np.argwhere(SPINE.labels == VALUES[name])
        if len(where):
            points[tuple(where[np.argmin(where[:, 1])])] = number
    return points


@pytest.mark.parametrize("is_said", [True, False])
def test_points_are_no_discs(case_of, is_said) -> None:
    levels = np.where(np.isin(SPINE.labels, range(40, 50)), SPINE.labels, 0)
    values = {value: name for name, value in VALUES.items()}
    case = case_of((levels, values, False), (disc_points(), dict(POINT_VALUES), False))
    if is_said:
        points = mask_file(case.masks[1].path, "disc-points")
        case = replace(case, masks=(case.masks[0], points))

    data = read_case(case, Source(), PrepareRecipe())

    assert (data.labels == levels).all()
    assert (codes(data), data.conflicts, data.losses) == (["points-passed-over"], [], [])


def test_bone_in_one_tag_is_named_by_points(case_of) -> None:
    bone = np.isin(SPINE.parts, (1, 2)).astype(np.uint8)
    canal = (SPINE.parts == 4).astype(np.uint8)
    shifted = {number: POINT_VALUES[number - 1] for number in list(POINT_VALUES)[1:]}
    case = case_of(
        (bone, {1: "vertebra"}, True), (canal, {1: "canal"}, True), (disc_points(), shifted, False)
    )

    data = read_case(case, Source(), PrepareRecipe())

    assert [called_most(data, name) for name in ("L2", "L3", "L4")] == [41, 42, 43]
    assert not np.isin(data.labels, [VALUES[name] for name in shifted.values()]).any()

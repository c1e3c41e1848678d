"""What a case's masks become: grey, displaced, nameless, with wrong axes."""

import numpy as np
import pytest
from scipy import ndimage

from curation.sets import save, small_spine
from spinekit.anatomy.scheme import VALUES
from spinekit.core.errors import InputError
from spinekit.core.resampling import resample_nearest
from spinekit.curation.axes import oriented
from spinekit.curation.reading import read_case
from spinekit.curation.recipe import PrepareRecipe, Source
from spinekit.datasets.case import Case, MaskFile

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


def test_a_mask_on_another_grid_is_brought_over(case_of) -> None:
    turned = oriented(SPINE.grid, "PSR")
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

"""Names for what a mask tells apart."""

from collections.abc import Sequence

import numpy as np
import pytest

from instances.toys import BODY, DISC, NECK, draw, draw_ring
from spinekit.anatomy.parts import POSTERIOR
from spinekit.anatomy.scheme import NAMES, VALUES, kind_of_value
from spinekit.bones import name_given, name_parts
from spinekit.core.grid import Grid
from spinekit.labelling.naming import Naming
from spinekit.labelling.numbers import read_given
from spinekit.synth.phantom import draw_phantom

LOIN = ("L1", "L2", "L3", "L4", "L5")


@pytest.mark.parametrize("height", [11, 16], ids=["usual", "tall"])
def test_the_ring_around_the_dens_keeps_its_name(height: int) -> None:
    parts, truth = draw(NECK)
    dens, arch, rest = draw_ring(height)
    mask = np.zeros(parts.shape, np.uint8)
    for n, name in enumerate(("C2", "C3", "C4", "C5"), start=1):
        mask[(truth == n) & (parts != DISC)] = VALUES[name]
    mask[dens] = VALUES["C2"]
    mask[arch | rest] = VALUES["C1"]
    grid = Grid((mask.shape[0], mask.shape[1], mask.shape[2]), np.diag([*NECK.spacing, 1.0]))

    adopted, told = name_given(read_given("mask.nii.gz", mask, "spinekit"), grid)

    np.testing.assert_array_equal(adopted.labels, mask)
    assert adopted.named[0].name == "C1"
    assert (adopted.kept[rest] != BODY).all()
    assert told.notices == ()


@pytest.mark.parametrize("seed", [900101, 900103], ids=["neck", "loin"])
def test_a_margin_around_a_mask_changes_no_name(seed: int) -> None:
    """Below the neck, and above the loin, a piece of an arch is all that is in view of a bone."""
    phantom = draw_phantom(seed)
    is_bone = np.isin(phantom.labels, [v for v in NAMES if kind_of_value(v) == "vertebra"])
    bones = np.where(is_bone, phantom.labels, 0).astype(np.uint8)
    found = []
    for margin in ((0, 0, 0), (5, 20, 60), (0, 0, 3)):
        mask = np.pad(bones, [(n, n) for n in margin])
        affine = phantom.grid.affine.copy()
        affine[:3, 3] = phantom.grid.ijk_to_ras([-np.array(margin)])[0]
        grid = Grid((mask.shape[0], mask.shape[1], mask.shape[2]), affine)
        adopted, _ = name_given(read_given("mask.nii.gz", mask, None), grid)
        found.append({int(mask[adopted.labels == row.value][0]): row.name for row in adopted.named})

    drawn = {int(value): NAMES[int(value)] for value in np.unique(bones) if value}
    assert found == [drawn] * 3


def test_pieces_of_one_vertebra_in_a_mask_of_parts_are_one_in_labels_and_report() -> None:
    phantom = draw_phantom(900001, fov="lumbar", anomalies=())
    is_body = phantom.parts == BODY
    layers = np.flatnonzero((is_body & (phantom.labels == VALUES["L3"])).any(axis=(0, 1)))
    middle = int(np.median(layers))
    parts = phantom.parts.copy()
    band = np.s_[:, :, middle - 3 : middle + 3]
    parts[band] = np.where(is_body[band], 0, parts[band])

    adopted, _ = name_parts(parts, phantom.grid)

    bones = np.isin(parts, (BODY, POSTERIOR)) & (phantom.labels > 0)
    right = (adopted.labels == phantom.labels)[bones & (phantom.labels == VALUES["L3"])]
    assert right.mean() > 0.95
    assert [row.name for row in adopted.named if "_" in row.name] == []
    assert [row.name for row in adopted.naming.anomalies].count("piece") == 1
    assert len(adopted.evidence) == len(adopted.named) == len(adopted.naming.names)


def test_what_is_marked_as_a_disc_within_c2_becomes_a_part_of_it() -> None:
    phantom = draw_phantom(900101)
    axis = (phantom.parts == BODY) & (phantom.labels == VALUES["C2"])
    lowest, *_, highest = np.flatnonzero(axis.any(axis=(0, 1)))
    at = int(lowest + 0.6 * (highest - lowest + 1))
    plate = np.zeros_like(axis)
    plate[:, :, at : at + 3] = axis[:, :, at : at + 3]

    adopted, _ = name_parts(np.where(plate, np.uint8(DISC), phantom.parts), phantom.grid)

    assert (adopted.labels[plate] == VALUES["C2"]).all()
    assert (adopted.kept[plate] == BODY).all()
    assert [row.name for row in adopted.named][:3] == ["C1", "C2", "C2-C3"]


@pytest.mark.parametrize("seed", [105, 106, 122])
def test_whole_vertebrae_of_a_neck_that_bear_a_value_each_are_not_told_as_scattered(
    seed: int,
) -> None:
    """In a neck lateral masses and spinous processes may be taken for body."""
    phantom = draw_phantom(seed, fov="cervical")
    is_bone = np.isin(phantom.labels, [v for v in NAMES if kind_of_value(v) == "vertebra"])
    bones = np.where(is_bone, phantom.labels, 0).astype(np.uint8)

    _, told = name_given(read_given("mask.nii.gz", bones, None), phantom.grid)

    assert "value-scattered" not in [notice.code for notice in told.notices]


def name_bodies(called: Sequence[str] | None) -> tuple[Naming, list[str]]:
    """The names of a drawn loin's bodies, and codes of what is warned of.

    Args:
        called: What the mask calls L1 to L5; None if it has mere numbers.
    """
    phantom = draw_phantom(700303, fov="lumbar")
    mask = np.zeros_like(phantom.labels)
    for n, name in enumerate(LOIN):
        is_one = (phantom.labels == VALUES[name]) & (phantom.parts == BODY)
        mask[is_one] = n + 1 if called is None else VALUES[called[n]]
    given = read_given("mask.nii.gz", mask, None if called is None else "spinekit")
    adopted, told = name_given(given, phantom.grid)
    return adopted.naming, [notice.code for notice in told.notices]


def test_names_one_level_off_are_told_though_sizes_alone_are_unsure() -> None:
    alone, _ = name_bodies(None)
    assert alone.ambiguous
    assert alone.names == LOIN
    off = ("T12", *LOIN[:-1])
    naming, codes = name_bodies(off)
    assert (naming.names, codes) == (off, ["sources-disagree"])
    assert name_bodies(LOIN)[1] == []


def test_names_that_run_upwards_make_none_surer() -> None:
    alone, _ = name_bodies(None)
    naming, codes = name_bodies(LOIN[::-1])
    assert (naming.names, naming.probability) == (alone.names, alone.probability)
    assert naming.ambiguous
    assert codes == ["sources-disagree"]

"""A vertebra that the lower edge cuts and that looks like a sacrum comes out as what it is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from blocks import BlockSpine, draw_blocks, oracle_for, turned
from spinekit.anatomy.scheme import PARTS, VALUES
from spinekit.bones import describe_bones, name_parts
from spinekit.core.errors import UsageError
from spinekit.core.grid import Grid
from spinekit.core.volume import Volume
from spinekit.io.reading import read_labels
from spinekit.options import SegmentOptions
from spinekit.pipeline import segment
from spinekit.relabelling.correction import relabel
from spinekit.relabelling.words import Word
from spinekit.sight import look_at

SACRUM, BODY = PARTS.index("sacrum"), PARTS.index("body")
NAMES = ("L1", "L2", "L3", "L4", "L5")
LEFT_MM = 14
"""What the edge leaves of L5."""


def cut_through_l5(names: tuple[str, ...] = NAMES) -> BlockSpine:
    """The scan from the middle of L5 upwards, its body seen as sacrum."""
    whole = draw_blocks(names=names)
    is_l5 = (whole.labels == VALUES["L5"]) & (whole.parts == BODY)
    first = int(np.flatnonzero(is_l5.any(axis=(0, 1)))[-1] + 1 - LEFT_MM)
    parts = np.where(is_l5, SACRUM, whole.parts).astype(np.uint8)
    parts[(whole.labels == VALUES["L5"]) & ~is_l5] = 0
    labels = np.where(parts > 0, whole.labels, 0).astype(np.uint8)
    image, labels, parts = (array[:, :, first:] for array in (whole.image, labels, parts))
    affine = whole.grid.affine.copy()
    affine[2, 3] += first
    return BlockSpine(image, labels, parts, Grid(image.shape, affine), whole.names)


@pytest.mark.parametrize("codes", ["RAS", "PIR"])
def test_it_is_painted_and_listed_as_the_vertebra(codes: str) -> None:
    spine = cut_through_l5()
    scan = turned(spine, codes)

    found = segment(scan.array, affine=scan.grid.affine, predictor=oracle_for(spine))

    np.testing.assert_array_equal(
        found.labels, turned(replace(spine, image=spine.labels), codes).array
    )
    assert (found.parts[found.labels == VALUES["L5"]] == BODY).all()
    rows = {row.name: row for row in found.structures}
    assert "sacrum" not in rows
    assert rows["L5"].part == "vertebra"
    assert rows["L5"].partial
    assert "L4-L5" in rows
    assert "L5-S1" not in rows
    lowest = found.report["evidence"]["items"][-1]
    assert (lowest["kind"], lowest["index"], lowest["name"]) == ("sacrum", 1, "L5")


def test_it_is_the_vertebra_on_another_grid_too() -> None:
    spine = cut_through_l5()

    found = segment(spine.image, affine=spine.grid.affine, predictor=oracle_for(spine), iso=True)

    assert {"L4", "L5"} <= set(found.names)
    assert "sacrum" not in found.names
    assert (found.parts[found.labels == VALUES["L5"]] == BODY).all()


def test_a_name_that_is_too_unsure_is_left_out_and_no_sacrum_put_in_its_place() -> None:
    spine = cut_through_l5()
    options = SegmentOptions(min_probability=1.0)

    found = segment(spine.image, options, affine=spine.grid.affine, predictor=oracle_for(spine))

    assert not {"L5", "sacrum"} & set(found.names)


def test_a_scan_beside_a_mask_shows_the_vertebra() -> None:
    spine = cut_through_l5()

    sight = look_at(Volume(spine.image, spine.grid), oracle_for(spine), file="scan.nii.gz")

    assert sight.sure["L5"] > 0.5
    assert "sacrum" not in sight.sure
    assert VALUES["L5"] in sight.column.labels.array


def test_what_a_person_marks_as_sacrum_is_no_cut_vertebra() -> None:
    spine = cut_through_l5()

    adopted, _ = name_parts(spine.parts, spine.grid)

    assert adopted.naming.names[-1] == "sacrum"
    assert adopted.naming.probability[-1] == pytest.approx(1.0, abs=1e-3)
    described = describe_bones(adopted, None)
    assert not described["items"][-1]["touches_edge"]


@pytest.fixture
def corrected(tmp_path: Path):
    """What words about a result make of it: labels, parts, its report's rows by name."""

    def correct(spine: BlockSpine, *changes: tuple[str, str]) -> tuple[Path, dict]:
        found = segment(spine.image, affine=spine.grid.affine, predictor=oracle_for(spine))
        labels = found.save(tmp_path, overwrite=True)["dseg"]
        report = dict(found.report)
        for where, name in changes:
            report = dict(relabel(labels, [Word(where, name)]).report)
        return labels, {row["name"]: row for row in report["structures"]}

    return correct


def parts_of(labels: Path) -> np.ndarray:
    return read_labels(labels.with_name(labels.name.replace("_dseg", "_parts"))).array


def test_a_word_about_the_bone_above_makes_a_sacrum_the_cut_vertebra(corrected) -> None:
    # With T12 in view the blocks, all of one height, are named one too low.
    spine = cut_through_l5(names=("T12", *NAMES))

    labels, _ = corrected(spine, ("L5", "L4"))

    again = read_labels(labels).array
    np.testing.assert_array_equal(again, spine.labels)
    assert (parts_of(labels)[again == VALUES["L5"]] == BODY).all()


@pytest.mark.parametrize(("where", "name"), [("L4", "L5"), ("L5", "sacrum")])
def test_a_word_makes_the_cut_vertebra_the_sacrum_it_was_found_as(
    where: str, name: str, corrected
) -> None:
    spine = cut_through_l5()

    labels, rows = corrected(spine, (where, name))

    assert "L6" not in rows
    assert rows["L5"]["probability"] > 0.9
    assert rows["sacrum"]["part"] == "sacrum"
    np.testing.assert_array_equal(
        read_labels(labels).array == VALUES["sacrum"], spine.labels == VALUES["L5"]
    )
    np.testing.assert_array_equal(parts_of(labels), spine.parts)


def test_a_word_that_agrees_leaves_as_open_as_it_was_what_the_edge_cuts(corrected) -> None:
    _, before = corrected(cut_through_l5())
    _, rows = corrected(cut_through_l5(), ("L1", "L1"))

    assert rows["L4"]["probability"] > 0.99
    assert rows["L5"]["probability"] < 0.99
    # What no column without the word has is as likely as it was among those that have it.
    both, word = before["L5"]["probability"], before["L1"]["probability"]
    assert rows["L5"]["probability"] == pytest.approx(both / word, abs=0.02)


def test_words_to_the_cut_vertebra_and_back_leave_the_parts_as_they_were(corrected) -> None:
    spine = cut_through_l5(names=("T12", *NAMES))

    labels, rows = corrected(spine, ("L5", "L4"), ("L5", "sacrum"))

    assert {"L4", "sacrum"} <= set(rows)
    assert (read_labels(labels).array == VALUES["sacrum"]).any()
    np.testing.assert_array_equal(parts_of(labels), spine.parts)


@pytest.mark.parametrize(
    ("where", "name", "lowest"),
    [("sacrum", "L5", "L5"), ("L5", "L3", "L4"), ("L5-S1", "L3-L4", "L4")],
)
def test_a_word_makes_a_sacrum_the_vertebra_below_the_one_above_it(
    where: str, name: str, lowest: str, corrected
) -> None:
    spine = cut_through_l5(names=("T12", *NAMES))

    labels, rows = corrected(spine, (where, name))

    assert "sacrum" not in rows
    assert [row for row, told in rows.items() if told["part"] == "vertebra"][-1] == lowest
    again = read_labels(labels).array
    np.testing.assert_array_equal(again == VALUES[lowest], spine.labels == VALUES["L5"])
    assert (parts_of(labels)[again == VALUES[lowest]] == BODY).all()


def test_a_word_about_the_bone_itself_counts_again_beside_a_later_one(corrected) -> None:
    spine = cut_through_l5(names=("T12", *NAMES))

    _, rows = corrected(spine, ("L5", "L4"), ("L5", "L5"), ("L1", "L1"))

    assert rows["L5"]["probability"] == 1.0
    with pytest.raises(UsageError, match="L5 is no disc, L4-L5 is one"):
        corrected(spine, ("sacrum", "L5"), ("L5", "L4-L5"))

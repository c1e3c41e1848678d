"""A result saved where another lies: what it replaces, and what only with `overwrite`."""

from pathlib import Path

import numpy as np
import pytest

from blocks import BlockSpine, oracle_for
from results import FILES, bytes_of, listing, report_of
from spinekit.anatomy.scheme import VALUES
from spinekit.core.errors import UsageError
from spinekit.io.reading import read_label_file
from spinekit.io.writing import write_labels
from spinekit.pipeline import segment
from spinekit.relabelling.correction import relabel
from spinekit.relabelling.words import Word
from spinekit.segmentation import Segmentation


@pytest.fixture(scope="module")
def result(spine: BlockSpine) -> Segmentation:
    return made(spine)


def made(spine: BlockSpine, **options: object) -> Segmentation:
    return segment(spine.image, affine=spine.grid.affine, predictor=oracle_for(spine), **options)


def refused(result: Segmentation, out: Path, **how: str) -> UsageError:
    """The error that saving raises, once it is certain that nothing was touched."""
    before = bytes_of(out)
    with pytest.raises(UsageError) as told:
        result.save(out, **how)
    assert bytes_of(out) == before
    assert "overwrite=True" in told.value.remedy
    return told.value


def paint(path: Path) -> None:
    volume, header = read_label_file(path)
    painted = volume.array.copy()
    painted[0, :5, 0] = VALUES["L1"]
    write_labels(path, painted, header)


def test_the_same_result_is_saved_again_and_beside_itself_in_another_format(
    result: Segmentation, tmp_path: Path
) -> None:
    for fmt in ("nii.gz", "nii.gz", "mha", "nii.gz"):
        result.save(tmp_path, stem="spine", fmt=fmt)

    assert {"spine_dseg.mha", *FILES} < set(listing(tmp_path))
    assert report_of(tmp_path)["files"] == listing(tmp_path)


@pytest.mark.parametrize("fmt", ["nii.gz", "mha"])
def test_another_scan_of_the_name_is_replaced_only_when_that_is_said(
    result: Segmentation, spine: BlockSpine, tmp_path: Path, fmt: str
) -> None:
    image = spine.image.copy()
    image[0, 0, 0] += 1
    other = segment(image, affine=spine.grid.affine, predictor=oracle_for(spine))
    result.save(tmp_path)

    assert refused(other, tmp_path, fmt=fmt).code == "other-scan"

    other.save(tmp_path, fmt=fmt, overwrite=True)
    assert report_of(tmp_path, "array")["input"] == other.report["input"]
    assert report_of(tmp_path, "array")["files"] == listing(tmp_path)


def test_other_options_and_another_model_are_other_results(
    result: Segmentation, spine: BlockSpine, tmp_path: Path
) -> None:
    result.save(tmp_path)

    fine = made(spine, iso=True)
    assert "other options (iso)" in refused(fine, tmp_path).message
    made(spine, force=True).save(tmp_path)

    other = oracle_for(spine)
    other.card = {**other.card, "sha256": "1"}
    foreign = segment(spine.image, affine=spine.grid.affine, predictor=other)
    assert "another model" in refused(foreign, tmp_path).message
    fine.save(tmp_path, overwrite=True)
    result.save(tmp_path, overwrite=True)
    assert len(listing(tmp_path)) == len(FILES)


@pytest.mark.parametrize("stem", ["spine", "sub/spine"])
@pytest.mark.parametrize("fmt", ["nii.gz", "mha"])
def test_what_a_person_did_goes_only_when_that_is_said_and_all_of_it_goes(
    result: Segmentation, tmp_path: Path, stem: str, fmt: str
) -> None:
    saved = result.save(tmp_path, stem=stem)
    paint(saved["parts"])
    assert "_parts.nii.gz was changed" in refused(result, tmp_path, stem=stem, fmt=fmt).message

    result.save(tmp_path, stem=stem, overwrite=True)
    relabel(saved["dseg"], [Word("L5", "L6")])
    assert "were corrected by hand" in refused(result, tmp_path, stem=stem, fmt=fmt).message

    result.save(tmp_path, stem=stem, fmt=fmt, overwrite=True)
    assert listing(saved["dseg"].parent) == sorted(n.replace("nii.gz", fmt) for n in FILES)
    assert report_of(saved["dseg"].parent)["provenance"] == []


def test_a_file_of_another_program_stays(result: Segmentation, tmp_path: Path) -> None:
    (tmp_path / "array_dseg.nii.gz").write_bytes(b"drawn by an expert")

    assert refused(result, tmp_path).code == "results-exist"

    assert np.array_equal(
        read_label_file(result.save(tmp_path, overwrite=True)["dseg"])[0].array, result.labels
    )

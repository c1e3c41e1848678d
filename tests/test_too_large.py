"""Scans whose grid would be too large to work on, and those that are worked on by force."""

import numpy as np
import pytest

import spinekit
from blocks import BlockSpine, oracle_for
from spinekit.core.errors import GeometryError
from spinekit.pipeline import segment


def test_a_scan_of_many_metres_is_not_looked_at(spine: BlockSpine) -> None:
    affine = np.diag([4.0, 40.0, 40.0, 1.0])

    found = segment(spine.image, affine=affine, predictor=oracle_for(spine))

    codes = ["implausible-spacing", "grid-too-large", "no-spine"]
    assert [warning["code"] for warning in found.report["warnings"]] == codes
    assert found.labels.shape == spine.image.shape
    assert found.labels.max() == 0


@pytest.mark.parametrize(
    ("shape", "spacing_mm", "iso"),
    [((250, 120, 250), (2.0, 4.0, 7.9), False), ((100, 100, 200), (8.0, 4.0, 7.9), True)],
)
def test_a_scan_of_plausible_size_is_to_be_cropped_or_forced(
    spine: BlockSpine,
    monkeypatch: pytest.MonkeyPatch,
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    iso: bool,
) -> None:
    image = np.random.default_rng(0).random(shape, np.float32)
    predictor = oracle_for(spine)
    monkeypatch.setattr(predictor, "predict", pytest.fail)

    with pytest.raises(GeometryError, match=r"array: .* too large to work on") as caught:
        segment(image, spacing_mm=spacing_mm, iso=iso, predictor=predictor)

    assert caught.value.code == "grid-too-large"
    assert "crop" in caught.value.remedy
    assert "--force" in caught.value.remedy


def test_a_large_scan_is_worked_on_by_force(
    spine: BlockSpine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spinekit.core.geometry._MOST_VOXELS", spine.image.size // 2)
    monkeypatch.setattr("spinekit.core.geometry._KEEP_WITHIN", 0.0)

    with pytest.raises(GeometryError):
        segment(spine.image, spacing_mm=(4.0, 1.1, 1.0), predictor=oracle_for(spine))

    found = segment(
        spine.image, spacing_mm=(4.0, 1.1, 1.0), predictor=oracle_for(spine), force=True
    )
    assert found.labels.shape == spine.image.shape


def test_voxels_too_coarse_to_see_a_spine_are_refused_by_name(spine: BlockSpine) -> None:
    affine = np.diag([4.0, 60.0, 60.0, 1.0])

    with pytest.raises(spinekit.SpineKitError, match=r"array: .* too large to work on"):
        segment(spine.image[:, :32, :32], affine=affine, predictor=oracle_for(spine))

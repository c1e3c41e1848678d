"""Fixtures that several folders of tests share."""

from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from blocks import BlockSpine, PredictWith, draw_blocks, oracle_for
from spinekit.prediction.predictor import Predictor
from tiny_model import write_tiny_model

# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@pytest.fixture(scope="session")
def spine() -> BlockSpine:
    """T12 to sacrum in blocks, 4 × 1 × 1 mm."""
    return draw_blocks()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file that reads block spines by their brightness."""
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture
def scan_file(spine: BlockSpine, tmp_path: Path) -> Path:
    """The block spine as a NIfTI file, alone in its folder."""
    path = tmp_path / "scans" / "spine.nii.gz"
    path.parent.mkdir()
    nib.save(nib.Nifti1Image(spine.image.astype(np.int16), spine.grid.affine), path)
    return path


@pytest.fixture
def predict_with(monkeypatch: pytest.MonkeyPatch) -> Iterator[PredictWith]:
    """Lets the command line predict with what it is given, whatever model was asked for."""
    from spinekit.apps import earlier

    def replace(predictor: Predictor) -> None:
        earlier.shared_predictor.cache_clear()
        monkeypatch.setattr(earlier, "load_predictor", lambda model, threads: predictor)

    yield replace
    earlier.shared_predictor.cache_clear()


@pytest.fixture
def oracle(spine: BlockSpine, predict_with: PredictWith) -> None:
    """Let the command line predict the block spine without a model file."""
    predict_with(oracle_for(spine))

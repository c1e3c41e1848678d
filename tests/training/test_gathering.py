"""What is wrong with a person's own files is told before anything is drawn."""

import json

import numpy as np
import pytest

pytest.importorskip("torch")

from spinekit.core.errors import InputError
from spinekit.training import run
from spinekit.training.packing import pack_real
from spinekit.training.recipe import Recipe
from training.test_packing import _save


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """One scan with parts and no names, in the folder of real scans."""
    parts = np.zeros((5, 40, 60), np.uint8)
    parts[1:4, 20:35, 20:40] = 7
    root = tmp_path / "real"
    root.mkdir()
    _save(root / "images" / "one.nii.gz", np.random.default_rng(0).uniform(0, 900, parts.shape))
    _save(root / "labels" / "one_parts.nii.gz", parts)
    (root / "index.json").write_text(json.dumps([{"name": "one", "dataset": "d", "subject": "p"}]))
    monkeypatch.setenv("SPINEKIT_REAL_DATA", str(root))
    monkeypatch.setattr(run, "pack_phantoms", lambda *_, **__: pytest.fail("phantoms were drawn"))
    return root


def gather(tmp_path):
    return run.gather(Recipe(phantoms=8), tmp_path / "packs", processes=1, report=str)


def test_parts_without_names_are_told_before_phantoms_are_drawn(folder, tmp_path):
    with pytest.raises(InputError, match=r"one_parts\.nii\.gz: no one_names\.nii\.gz") as caught:
        gather(tmp_path)
    assert "take the parts away" in caught.value.remedy


def test_an_index_that_lacks_a_patient_is_told_before_phantoms_are_drawn(folder, tmp_path):
    (folder / "index.json").write_text('[{"name": "one", "dataset": "d"}]')
    with pytest.raises(InputError, match=r"index\.json: its scan 1 has no subject"):
        gather(tmp_path)


def test_a_scan_with_parts_and_names_is_packed_without_a_word_on_its_use(folder, tmp_path):
    _save(folder / "labels" / "one_names.nii.gz", np.full((5, 40, 60), 44, np.uint8))
    assert set(pack_real(folder, tmp_path / "packs")) == {"d"}

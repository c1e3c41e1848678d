"""A MONAI Label datastore: what is corrected there stays, and goes along with its patient."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from curation.sets import recipe_table, small_spine, write_set
from results import voxels
from spinekit.anatomy.scheme import VALUES
from spinekit.curation.recipe import prepare_recipe
from spinekit.curation.run import prepare_set
from spinekit.io.writing import write_labels

SPINE = small_spine()


@pytest.fixture
def go(tmp_path: Path):
    """Prepare a set of two patients who train; its report, and the folder of the store."""
    root = write_set(tmp_path / "in", 2)

    def run(**changes: object) -> tuple[list[dict], Path]:
        values = {"exports": ["monai-label"], "validation": 0.0} | changes
        recipe = prepare_recipe(recipe_table(root, **values))
        report = prepare_set(recipe, tmp_path / "out", overwrite=True)
        return report["exports"]["monai-label"]["left_out"], tmp_path / "out" / "monai-label"

    return run


def correct(path: Path, *, by_server: bool = False) -> bytes:
    """Write L4 alone into a label map as in 3D Slicer, or as a server that notes the checksum."""
    write_labels(path, (SPINE.labels == VALUES["L4"]).astype("uint8") * VALUES["L4"], SPINE.grid)
    os.utime(path, ns=(1, 1))
    if by_server:
        store = path.parents[2] / "datastore_v2.json"
        content = json.loads(store.read_text())
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        info = {"ts": 1, "checksum": f"SHA256:{digest}", "name": path.name}
        name = path.name.removesuffix(".nii.gz")
        content["objects"][name]["labels"][path.parent.name] = {"ext": ".nii.gz", "info": info}
        store.write_text(json.dumps(content))
    return path.read_bytes()


@pytest.mark.parametrize("by_server", [False, True])
def test_a_corrected_label_is_kept_whatever_becomes_of_the_set(go, by_server) -> None:
    left_out, store = go()
    assert left_out == []
    mine = store / "labels" / "final" / "sub01_T2w.nii.gz"
    corrected = correct(mine, by_server=by_server)

    for labels in (["L3", "L4"], ["L4", "L5"]):
        left_out, _ = go(labels=labels)

        assert mine.read_bytes() == corrected
        assert left_out == [
            {"name": "sub01_T2w", "reason": "labels/final/sub01_T2w.nii.gz was changed there, "
             "and is kept"}]  # fmt: skip
        told = json.loads((store / "datastore_v2.json").read_text())["objects"]["sub01_T2w"]
        digest = hashlib.sha256(corrected).hexdigest()
        assert told["labels"]["final"]["info"]["checksum"] == f"SHA256:{digest}"
    ours = voxels(mine.with_name("sub02_T2w.nii.gz"))
    assert set(ours.ravel().tolist()) == {0, VALUES["L4"], VALUES["L5"]}


def file_in_test(store: Path) -> str:
    """File of the patient who is in the test."""
    (name,) = json.loads((store.parent / "splits.json").read_text())["test"]
    return f"{name}.nii.gz"


def test_what_was_not_corrected_follows_the_set_and_its_part(go) -> None:
    _, store = go()
    left_out, _ = go(labels=["L4"], test=0.5)

    assert left_out == []
    final, original = (list((store / "labels" / word).iterdir()) for word in ("final", "original"))
    assert [path.name for path in original] == [file_in_test(store)]
    assert len(final) == 1
    for path in (*final, *original):
        assert set(voxels(path).ravel().tolist()) == {0, VALUES["L4"]}


def test_a_label_that_a_server_made_final_is_no_patients_of_the_test(go) -> None:
    _, store = go(test=0.5)
    final = store / "labels" / "final" / file_in_test(store)
    final.parent.mkdir(exist_ok=True)
    corrected = correct(final, by_server=True)

    left_out, _ = go(test=0.5)

    assert not final.exists()
    assert (store / "labels" / "original" / final.name).read_bytes() == corrected
    assert [f"{row['name']}.nii.gz" for row in left_out] == [final.name]


def test_an_answer_of_the_server_takes_no_final_labels_place(go) -> None:
    _, store = go()
    final = store / "labels" / "final" / "sub01_T2w.nii.gz"
    answer = store / "labels" / "original" / final.name
    answer.parent.mkdir(exist_ok=True)
    before, answered = final.read_bytes(), correct(answer, by_server=True)

    assert go()[0] == []

    assert (final.read_bytes(), answer.read_bytes()) == (before, answered)


def test_of_two_corrected_labels_none_is_lost(go) -> None:
    _, store = go(test=0.5)
    both = [store / "labels" / word / file_in_test(store) for word in ("final", "original")]
    before = [correct(path, by_server=True) for path in both]

    left_out, _ = go(test=0.5)

    assert [path.read_bytes() for path in both] == before
    assert "was changed under labels/final and labels/original" in str(left_out)

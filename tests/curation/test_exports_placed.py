"""What lies in the folders of layouts when the set changes: ours follows it, a person's stays."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from curation.sets import SPACING, recipe_table, save, small_spine, write_set
from results import voxels
from spinekit.anatomy.scheme import VALUES
from spinekit.core.errors import OutputError
from spinekit.curation import run
from spinekit.curation.exports import nnunet
from spinekit.curation.exports.classes import DATASETS
from spinekit.curation.exports.placed import LIST, Copy
from spinekit.curation.exports.task import Task
from spinekit.curation.recipe import prepare_recipe
from spinekit.curation.run import prepare_set

SPINE = small_spine()
ROOTS = {
    "nnunet-101": f"nnUNet_raw/{DATASETS[101].folder}",
    "nnunet-102": f"nnUNet_raw/{DATASETS[102].folder}",
    "monai-label": "monai-label",
    "bids": "bids",
}
LABELS = {
    "nnunet-101": "labelsTr/sub0{}_T2w.nii.gz",
    "nnunet-102": "labelsTr/sub0{}_T2w_o2e.nii.gz",
    "monai-label": "labels/final/sub0{}_T2w.nii.gz",
    "bids": "sub-insub0{0}/anat/sub-insub0{0}_desc-prepared_dseg.nii.gz",
}
layouts = pytest.mark.parametrize("layout", LABELS)


@pytest.fixture
def go(tmp_path: Path):
    """Prepare a set of three patients who train; what a layout left out, and its folder."""
    root = write_set(tmp_path / "in", 3)

    def prepare(layout: str, processes: int = 1, **changes: object) -> tuple[list[dict], Path]:
        values = {"exports": [layout], "validation": 0.0} | changes
        recipe = prepare_recipe(recipe_table(root, **values))
        report = prepare_set(recipe, tmp_path / "out", overwrite=True, processes=processes)
        return report["exports"][layout]["left_out"], tmp_path / "out" / ROOTS[layout]

    return prepare


def correct(path: Path) -> bytes:
    """Write L4 alone into a label map; it looks older than all else."""
    labels = (SPINE.labels == VALUES["L4"]).astype(np.uint8)
    save(path, labels, SPINE.grid.affine)
    os.utime(path, ns=(1, 1))
    return path.read_bytes()


def files(root: Path) -> dict[str, bytes]:
    """Every volume in a folder."""
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*.nii.gz")}


def remove(root: Path, number: int) -> None:
    """Take a patient out of the source of a layout's set."""
    source = next(path for path in root.parents if path.name == "out").with_name("in")
    for path in source.rglob(f"sub0{number}_T2w.nii.gz"):
        path.unlink()


@layouts
def test_a_pair_that_leaves_the_set_leaves_the_layout(go, layout) -> None:
    _, root = go(layout, augment=1)
    before = files(root)
    remove(root, 2)

    left_out, _ = go(layout, processes=2, augment=1, noaug=True)

    after = files(root)
    assert left_out == []
    assert len(before) == 3 * len(after)
    assert after == {p: b for p, b in before.items() if p in after}
    assert sorted(json.loads((root / LIST).read_text())["files"]) == sorted(after)
    assert not any("sub02" in path.as_posix() for path in root.rglob("*"))


@layouts
def test_a_corrected_label_of_a_pair_that_leaves_is_kept_with_its_image(go, layout) -> None:
    _, root = go(layout)
    mine = root / LABELS[layout].format(2)
    corrected = correct(mine)
    name = mine.name.removesuffix(".nii.gz") if "nnunet" in layout else "sub02_T2w"
    with_it = {p: b for p, b in files(root).items() if "sub02" in p and name.split("_d")[0] in p}
    remove(root, 2)

    left_out, _ = go(layout)

    reason = f"{LABELS[layout].format(2)} was changed there, and is kept though its pair has left"
    assert left_out == [{"name": name, "reason": reason}]
    assert mine.read_bytes() == corrected
    assert with_it.items() <= files(root).items()


@layouts
def test_a_corrected_label_stays_beside_the_image_it_was_drawn_on(go, layout) -> None:
    _, root = go(layout)
    corrected = correct(root / LABELS[layout].format(2))
    before = files(root)

    left_out, _ = go(layout, spacing_mm=[mm * 2 for mm in SPACING])

    after = files(root)
    assert [row["reason"] for row in left_out] == [
        f"{LABELS[layout].format(2)} was changed there, and is kept"
    ]
    assert (root / LABELS[layout].format(2)).read_bytes() == corrected
    same = {path for path, content in after.items() if content == before[path]}
    assert len(same) == (3 if layout == "nnunet-102" else 2)
    assert all("sub02" in path for path in same)


@layouts
def test_of_a_set_without_a_list_nothing_untrue_is_told(go, layout) -> None:
    _, root = go(layout)
    before = files(root)
    (root / LIST).unlink()
    remove(root, 3)
    changes = {"labels": ["L3", "L4"], "spacing_mm": [mm * 2 for mm in SPACING]}

    left_out, _ = go(layout, **changes)
    again, _ = go(layout, **changes)

    assert left_out
    assert all("not listed as put there, and is kept" in row["reason"] for row in left_out)
    assert again == left_out
    assert before.items() <= files(root).items()
    shutil.rmtree(root)
    assert go(layout, **changes)[0] == []
    assert not before.keys() <= files(root).keys()


@layouts
def test_a_set_without_a_list_is_taken_over_and_what_was_changed_is_not(go, layout) -> None:
    _, root = go(layout)
    corrected = correct(root / LABELS[layout].format(2))
    before = files(root)
    (root / LIST).unlink()

    left_out, _ = go(layout)

    assert [row["reason"] for row in left_out] == [
        f"{LABELS[layout].format(2)} is not listed as put there, and is kept"
    ]
    assert files(root) == before
    listed = json.loads((root / LIST).read_text())["files"]
    assert sorted(listed) == sorted(before.keys() - {LABELS[layout].format(2)})
    remove(root, 3)
    go(layout)
    assert not any("sub03" in path for path in files(root))
    assert (root / LABELS[layout].format(2)).read_bytes() == corrected


def module(layout: str) -> str:
    """Where a layout is written."""
    return layout.partition("-1")[0].replace("-", "_")


@layouts
def test_a_persons_own_file_is_kept_and_told(go, layout) -> None:
    _, root = go(layout)
    own = correct(root / LABELS[layout].format(9))

    for changes in ({}, {"labels": ["L3", "L4"]}):
        left_out, _ = go(layout, **changes)

        reason = "it is not listed as put there, and is kept"
        assert left_out == [{"name": LABELS[layout].format(9), "reason": reason}]
        assert (root / LABELS[layout].format(9)).read_bytes() == own


@layouts
def test_a_case_that_cannot_be_read_for_once_loses_no_correction(go, layout, tmp_path) -> None:
    _, root = go(layout)
    mine = root / LABELS[layout].format(2)
    corrected = correct(mine)
    image = tmp_path / "in" / "images" / "sub02_T2w.nii.gz"
    whole = image.read_bytes()
    image.write_bytes(b"cut short")
    assert len(go(layout)[0]) == 1
    image.write_bytes(whole)

    (told,), _ = go(layout)

    assert told["reason"] == f"{LABELS[layout].format(2)} was changed there, and is kept"
    assert mine.read_bytes() == corrected


def test_corrected_labels_in_a_store_come_back_with_their_patients(go) -> None:
    _, root = go("monai-label")
    labels = [root / LABELS["monai-label"].format(number) for number in (1, 2, 3)]
    corrected = {path: correct(path) for path in labels}

    go("monai-label", test=0.5)
    assert list((root / "labels" / "original").iterdir())
    go("monai-label")

    assert {path: path.read_bytes() for path in labels} == corrected
    assert not list((root / "labels" / "original").iterdir())


@layouts
def test_a_killed_run_is_gone_on_with(go, layout, monkeypatch) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    _, root = go(layout)
    monkeypatch.setattr(f"spinekit.curation.exports.{module(layout)}.list_placed", die)
    with pytest.raises(KeyboardInterrupt):
        go(layout, labels=["L3", "L4"])
    monkeypatch.undo()

    left_out, _ = go(layout, labels=["L3", "L4"])
    assert left_out == []
    left_out, _ = go(layout, labels=["L4"])
    assert left_out == []
    assert len(np.unique(voxels(root / LABELS[layout].format(2)))) == 2


def interrupt(go, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """End a layout's first run after two of its tasks."""
    attempt, done = run._attempt_task, []

    def attempt_two(task: Task) -> tuple[str, str | None]:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(task)
        return attempt(task)

    monkeypatch.setattr(run, "_attempt_task", attempt_two)
    with pytest.raises(KeyboardInterrupt):
        go(layout)
    monkeypatch.undo()


OTHERS = {"labels": ["L4"], "spacing_mm": [mm * 2 for mm in SPACING]}


@layouts
def test_what_an_ended_run_put_there_is_ours_under_other_options(go, layout, monkeypatch) -> None:
    interrupt(go, layout, monkeypatch)
    left_out, root = go(layout, **OTHERS)
    after = files(root)
    assert left_out == []
    assert sorted(json.loads((root / LIST).read_text())["files"]) == sorted(after)

    shutil.rmtree(root)
    go(layout, **OTHERS)
    assert files(root) == after


@layouts
def test_a_label_that_an_ended_run_put_there_is_kept_once_corrected(
    go, layout, monkeypatch, tmp_path
) -> None:
    interrupt(go, layout, monkeypatch)
    root = tmp_path / "out" / ROOTS[layout]
    mine = LABELS[layout].format(1)
    corrected = correct(root / mine)
    before = files(root)

    for _ in range(2):
        left_out, _ = go(layout, **OTHERS)

        reason = f"{mine} is not listed as put there, and is kept"
        assert [row["reason"] for row in left_out] == [reason]
        assert (root / mine).read_bytes() == corrected
        same = {path for path, content in files(root).items() if content == before.get(path)}
        assert len(same) == (3 if layout == "nnunet-102" else 2)


@layouts
def test_nothing_is_read_where_nothing_changed(go, layout, monkeypatch) -> None:
    go(layout)

    def refuse(*_: object) -> str:
        raise AssertionError("a file was read")

    monkeypatch.setattr("spinekit.curation.exports.placed.hash_files", refuse)
    monkeypatch.setattr("spinekit.curation.exports.nnunet.read_label_file", refuse)

    assert go(layout)[0] == []


@layouts
def test_a_pair_that_fails_leaves_no_half_behind(go, layout, monkeypatch) -> None:
    _, root = go(layout)

    def fail(content: Copy | nnunet.Mapped, target: Path) -> None:
        raise OutputError("disk-full", target.name, "")

    write = Copy.write
    monkeypatch.setattr(nnunet.Mapped, "write", fail)
    monkeypatch.setattr(Copy, "write", lambda c, t: write(c, t) if c.share else fail(c, t))
    remove(root, 3)
    left_out, _ = go(layout, labels=["L3", "L4"])

    assert {row["name"][:9] for row in left_out} == {"sub01_T2w", "sub02_T2w"}
    assert files(root) == {}
    monkeypatch.undo()
    assert go(layout, labels=["L3", "L4"])[0] == []
    assert files(root)


def test_a_list_of_other_places_removes_nothing_there(go, tmp_path) -> None:
    _, root = go("bids")
    other = tmp_path / "out" / "images" / "other.nii.gz"
    shutil.copy(tmp_path / "out" / "images" / "sub01_T2w.nii.gz", other)
    told = json.loads((root / LIST).read_text())
    row = next(row for path, row in told["files"].items() if path.endswith("_T2w.nii.gz"))
    others = ("../images/other.nii.gz", str(other))
    told["files"] |= dict.fromkeys(others, row | {"pair": "x"})
    source = [other.stat().st_size, other.stat().st_mtime_ns]
    told["begun"] = {"y": {"kept": False, "files": dict.fromkeys(others, source)}}
    (root / LIST).write_text(json.dumps(told))

    go("bids")

    assert other.exists()

"""Packs come back as they were written, or are refused."""

import dataclasses
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from spinekit.core.errors import OutputError
from spinekit.loaders.pack import PackedCase, load_pack, making, pack_hash, save_pack


def case(name="a", seed=0):
    rng = np.random.default_rng(seed)
    image, allowed, level = rng.integers(0, 120, (3, 4, 20, 30), dtype=np.uint8)
    return PackedCase(name, f"s-{name}", (4.0, 1.0, 0.9), image, allowed, level)


def test_round_trip(tmp_path):
    written = [case("a", 1), dataclasses.replace(case("b", 2), part="train", source="chu")]
    save_pack(tmp_path / "set.npz", written)
    read = load_pack(tmp_path / "set.npz")
    assert [c.name for c in read] == ["a", "b"]
    assert read[1].facts() == written[1].facts()
    assert read[1].spacing_mm == (4.0, 1.0, 0.9)
    for field in ("image", "allowed", "level"):
        np.testing.assert_array_equal(getattr(read[1], field), getattr(written[1], field))


def test_nothing_but_the_pack_is_left_behind(tmp_path):
    save_pack(tmp_path / "set.npz", [case()])
    assert [p.name for p in tmp_path.iterdir()] == ["set.npz"]


def test_hash_follows_the_content():
    assert pack_hash([case("a", 1)]) == pack_hash([case("a", 1)])
    assert pack_hash([case("a", 1)]) != pack_hash([case("a", 2)])
    assert pack_hash([case("a", 1)]) != pack_hash([case("b", 1)])


@pytest.mark.parametrize(
    "change", [{"spacing_mm": (4.0, 0.5, 0.5)}, {"subject": "other"}, {"part": "validation"}]
)
def test_hash_follows_what_is_known_of_a_case(change):
    assert pack_hash([case()]) != pack_hash([dataclasses.replace(case(), **change)])


def test_hash_follows_the_shape():
    flat = {field: np.zeros((2, 6, 4), np.uint8) for field in ("image", "allowed", "level")}
    turned = {field: np.zeros((2, 4, 6), np.uint8) for field in flat}
    one, other = (dataclasses.replace(case(), **arrays) for arrays in (flat, turned))
    assert pack_hash([one]) != pack_hash([other])


def test_arrays_of_different_shapes_are_no_case():
    """The same number of voxels does not make them lie in the same places."""
    whole = case()
    turned = whole.allowed.reshape(20, 4, 30)
    with pytest.raises(ValueError, match=r"a: image, allowed and level have the shapes \(4, 20"):
        dataclasses.replace(whole, allowed=turned)


def test_a_foreign_archive_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(ValueError, match=r"other\.npz is no pack"):
        load_pack(tmp_path / "other.npz")


def big_pack(path: Path) -> str:
    """Write a pack and read it back; what went wrong, or nothing."""
    try:
        save_pack(path, [case(str(n), n) for n in range(40)])
        return f"{len(load_pack(path))}"
    except Exception as error:
        return repr(error)


def test_two_processes_may_write_one_pack(tmp_path):
    with ProcessPoolExecutor(2) as pool:
        assert list(pool.map(big_pack, [tmp_path / "set.npz"] * 6)) == ["40"] * 6
    assert [p.name for p in tmp_path.iterdir()] == ["set.npz"]


def test_a_pack_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "packs").write_text("no folder")
    with pytest.raises(OutputError, match=r"set\.npz"):
        save_pack(tmp_path / "packs" / "set.npz", [case()])


def test_a_pack_is_made_once(tmp_path):
    for wanted in (True, False):
        with making(tmp_path / "set.npz") as missing:
            assert missing is wanted
            if missing:
                save_pack(tmp_path / "set.npz", [case()])


def make_slowly(job: tuple[Path, Path]) -> int:
    """Make a pack and count it in a file; how often it waited."""
    path, log = job
    said: list[str] = []
    with making(path, report=said.append) as missing:
        if missing:
            with log.open("a") as file:
                file.write("x")
            time.sleep(0.5)
            save_pack(path, [case()])
    return len(said)


def test_of_two_processes_one_makes_the_pack_and_the_other_waits(tmp_path):
    job = (tmp_path / "packs" / "set.npz", tmp_path / "log")
    with ProcessPoolExecutor(2) as pool:
        assert sorted(pool.map(make_slowly, [job, job])) == [0, 1]
    assert job[1].read_text() == "x"
    assert [p.name for p in job[0].parent.iterdir()] == ["set.npz"]

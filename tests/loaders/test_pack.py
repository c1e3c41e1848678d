"""Packs come back as they were written, or are refused."""

import numpy as np
import pytest

from spinekit.loaders.pack import PackedCase, load_pack, pack_hash, save_pack


def case(name="a", seed=0):
    rng = np.random.default_rng(seed)
    image, allowed, level = rng.integers(0, 120, (3, 4, 20, 30), dtype=np.uint8)
    return PackedCase(name, f"s-{name}", (4.0, 1.0, 0.9), image, allowed, level)


def test_round_trip(tmp_path):
    written = [case("a", 1), case("b", 2)]
    save_pack(tmp_path / "set.npz", written)
    read = load_pack(tmp_path / "set.npz")
    assert [c.name for c in read] == ["a", "b"]
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


def test_a_foreign_archive_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(ValueError, match=r"other\.npz is no pack"):
        load_pack(tmp_path / "other.npz")

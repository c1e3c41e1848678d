from pathlib import Path

from spinekit.curation.doctor.meaning import kind_of, names_of, rank_of
from spinekit.curation.segments import settle_values
from spinekit.datasets.case import MaskFile
from spinekit.datasets.meaning import mask_file


def test_ranks_follow_the_column_with_its_variants() -> None:
    chain = ["C1", "C2", "C2-C3", "T11-T12", "T12", "T12-T13", "T13", "T13-L1", "L1", "L5", "L5-L6",
             "L6", "L6-S1", "sacrum"]  # fmt: skip
    ranks = [rank_of(name) for name in chain]

    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(ranks)
    assert rank_of("L5-S1") == rank_of("L6-S1") == rank_of("L4-S1")
    assert rank_of("L1") == rank_of("T12") + 1
    assert rank_of("body") is rank_of("vertebra_3") is None


def test_kinds() -> None:
    assert [kind_of(n) for n in ("L4", "L4-L5", "sacrum", "cord", "spinal_canal", "fat")] == [
        "vertebra", "disc", "sacrum", "cord", "canal", "other"
    ]  # fmt: skip


def test_values_without_a_meaning_are_guessed_only_where_the_guess_is_safe() -> None:
    silent = MaskFile(Path("a.nii.gz"), {})

    assert names_of(silent, [41, 42, 92], {})[0][41] == "L1"
    assert names_of(MaskFile(Path("a_parts.nii.gz"), {}), [1, 3], {})[0][1] == "body"
    assert names_of(silent, [1, 2, 3, 9], {})[0][9] == "value 9"
    assert names_of(MaskFile(Path("a"), {1: "L4"}, binary=True), [255], {}) == ({255: "L4"}, None)


def test_what_the_file_names_is_not_guessed() -> None:
    silent = MaskFile(Path("a.nii.gz"), {})

    assert names_of(silent, [3, 4], {3: "L5", 4: "L4"}) == ({3: "L5", 4: "L4"}, None)
    names, guess = names_of(silent, [44, 199], {199: "L5"})
    assert (names[44], names[199], guess) == ("L4", "L5", "the scheme spinekit")
    assert names_of(silent, [9, 199], {199: "L5"})[0] == {9: "value 9", 199: "L5"}


def test_a_name_that_shares_its_value_is_told_by_the_other_values() -> None:
    """In this scheme the disc below L5 is 124, whether L6 or the sacrum follows."""
    mask = mask_file(Path("a.nii.gz"), "spineps")

    assert settle_values(mask, [24, 26, 124])[0][124] == "L5-S1"
    assert settle_values(mask, [24, 25, 26, 124, 125])[0][124] == "L5-L6"

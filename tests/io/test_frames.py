"""Frames: which slices are kept where volumes do not have equally many."""

from collections.abc import Iterable

import numpy as np
import pytest

from spinekit.core.errors import InputError
from spinekit.io.frames import Frame, by_position, equally_many

PLACES = range(6)


def frame(place: int, label: str, *, echo: float = 0, time: float = 0, run: float = 0) -> Frame:
    """A slice of one echo, time point and acquisition."""
    return Frame(
        label=label,
        position=np.array([4.0 * place, 0, 0]),
        along_row=np.array([0.0, 1, 0]),
        along_column=np.array([0.0, 0, 1]),
        spacing_mm=(1.0, 1.0),
        size=(2, 2),
        thickness_mm=4.0,
        order=(echo, time, 0.0, run, 0.0, 0.0),
        load=lambda: np.zeros((2, 2), np.float32),
    )


def kept_of(frames: Iterable[Frame]) -> tuple[list[str], str]:
    """Labels of what is kept with force, joined for each position, and the notice."""
    positions = by_position(list(frames))
    with pytest.raises(InputError, match=r"slices? lies? where"):
        equally_many("scan", positions, force=False)
    kept, (notice,) = equally_many("scan", positions, force=True)
    assert notice.code == "uneven-volumes"
    return ["".join(frame.label for frame in group) for group in kept], notice.text


@pytest.mark.parametrize("of", ["echo", "time"])
def test_values_that_differ_from_slice_to_slice_tell_no_volumes_apart(of: str) -> None:
    """Echo times that jitter; time points that count images."""
    frames = [frame(n, "a", **{of: 20 + 0.001 * n}) for n in PLACES]
    frames += [frame(n, "b", **{of: 80 + 0.001 * n}) for n in PLACES if n != 2]

    kept, text = kept_of(frames)

    assert kept == ["a"] * 6
    assert text == "1 slice lies where a does, 2 at other places; the first 1 of each were used"


def test_a_volume_with_half_the_slices_is_one() -> None:
    frames = [frame(n, "a", echo=20) for n in (0, 1, 2)]
    frames += [frame(n, "b", echo=30 + n) for n in (2, 3, 4, 5)]

    kept, text = kept_of(frames)

    assert kept == ["a"] * 3
    assert text.endswith("; one volume was used, which lacks 3 of 6 slices")


def test_acquisitions_of_which_each_lacks_another_slice_are_not_called_whole() -> None:
    frames = [frame(n, "a", run=1) for n in PLACES if n != 2]
    frames += [frame(n, "b", run=2) for n in PLACES if n != 4]

    kept, text = kept_of(frames)

    assert kept == ["a", "a", "b", "a", "a", "a"]
    assert text.endswith("; the first 1 of each were used")


def test_of_acquisitions_the_whole_one_is_kept() -> None:
    frames = [frame(n, "a", run=1) for n in PLACES if n != 2]
    frames += [frame(n, "b", run=2) for n in PLACES]

    kept, text = kept_of(frames)

    assert kept == ["b"] * 6
    assert text.endswith("; only volumes that lack no slice were used")


def test_a_whole_echo_whose_acquisitions_count_slices_is_kept() -> None:
    frames = [frame(n, "a", echo=20, run=n) for n in PLACES if n != 2]
    frames += [frame(n, "b", echo=80, run=n) for n in PLACES]

    kept, text = kept_of(frames)

    assert kept == ["b"] * 6
    assert text.endswith("; only volumes that lack no slice were used")


def test_slices_that_nothing_tells_apart_are_not_called_whole_volumes() -> None:
    frames = [frame(n, label) for n in PLACES for label in "ab" if (n, label) != (2, "a")]

    kept, text = kept_of(frames)

    assert kept == ["a", "a", "b", "a", "a", "a"]
    assert text.endswith("; the first 1 of each were used")


def test_a_slice_twice_in_a_volume_that_is_not_the_first_is_told() -> None:
    frames = [frame(n, "a", echo=20) for n in PLACES if n != 2]
    frames += [frame(n, "b", echo=80) for n in (*PLACES, 3)]

    kept, text = kept_of(frames)

    assert kept == ["b"] * 6
    assert text.endswith(
        "; of volumes that lack no slice as many of each were used as lie everywhere"
    )

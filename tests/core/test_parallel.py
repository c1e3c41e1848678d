"""Work on several processes: all of it done but what ends them, and none after an interrupt."""

import time
from collections.abc import Iterator
from contextlib import closing
from itertools import chain, count, islice, takewhile
from pathlib import Path

from dying import Fatal, FatalOnce
from spinekit.core.parallel import _PATIENCE_S, _WAITING, each


def no_item(item: object) -> int:
    """Stands for an item that is lost."""
    return -1


def test_every_piece_is_done_on_any_number_of_processes() -> None:
    for processes in (1, 2):
        assert sorted(each(abs, [-3, 2, -1], lost=no_item, processes=processes)) == [1, 2, 3]


def test_processes_that_are_ended_begin_nothing_more() -> None:
    results = each(time.sleep, [0, 600, 600, 600, 600, 600], lost=no_item, processes=2)
    next(results)
    time.sleep(1)

    started = time.monotonic()
    results.close()

    assert time.monotonic() - started < _PATIENCE_S


def test_only_the_piece_that_ends_its_process_is_lost() -> None:
    items = [1, 2, Fatal(), 3, 4, 5, 6, 7, 8]

    assert sorted(each(abs, items, lost=no_item, processes=2)) == [-1, *range(1, 9)]


def test_a_piece_that_goes_well_alone_is_not_lost(tmp_path: Path) -> None:
    items = [FatalOnce(tmp_path / "died"), 1, 2, 3]

    assert sorted(each(abs, items, lost=no_item, processes=2)) == [0, 1, 2, 3]


def test_no_more_is_taken_in_hand_than_processes_need_where_one_was_ended() -> None:
    taken = 0

    def endless() -> Iterator[object]:
        nonlocal taken
        for item in chain([Fatal()], count(1)):
            taken += 1
            yield item

    with closing(each(abs, endless(), lost=no_item, processes=2)) as results:
        done = 1 + len(list(takewhile(lambda result: result != -1, results)))
        assert taken - done <= 2 * _WAITING
        assert len(set(islice(results, 20))) == 20

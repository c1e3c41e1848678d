"""Work on several processes: all of it done, and none begun after an interrupt."""

import time

from spinekit.core.parallel import _PATIENCE_S, each


def test_every_piece_is_done_on_any_number_of_processes() -> None:
    for processes in (1, 2):
        assert sorted(each(abs, [-3, 2, -1], processes=processes)) == [1, 2, 3]


def test_processes_that_are_ended_begin_nothing_more() -> None:
    results = each(time.sleep, [0, 600, 600, 600, 600, 600], processes=2)
    next(results)
    time.sleep(1)

    started = time.monotonic()
    results.close()

    assert time.monotonic() - started < _PATIENCE_S

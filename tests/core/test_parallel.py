"""Work on several processes: all of it done but what ends them, and none after an interrupt."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import chain, count, islice, takewhile
from pathlib import Path

import pytest

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


AT_WORK = """
import os, sys, time
from pathlib import Path
from spinekit.core.parallel import each
from spinekit.io.staging import staged

def work(folder):
    with staged(Path(folder)) as stage:
        (stage / "half").touch()
        (Path(folder).parent / f"{os.getpid()}.pid").touch()
        time.sleep(600)

if __name__ == "__main__":
    for _ in each(work, [f"{sys.argv[1]}/{n}" for n in range(4)], lost=str, processes=2):
        pass
"""


@pytest.mark.skipif(sys.platform == "win32", reason="nobody can be killed like that there")
def test_processes_end_with_the_one_that_started_them_and_leave_nothing(tmp_path: Path) -> None:
    script, folder = tmp_path / "at_work.py", tmp_path / "out"
    script.write_text(AT_WORK)
    folder.mkdir()
    with subprocess.Popen([sys.executable, script, folder]) as parent:
        while len(pids := list(folder.glob("*.pid"))) < 2:
            time.sleep(0.05)
            assert parent.poll() is None
        parent.send_signal(signal.SIGKILL)

    ends_by = time.monotonic() + _PATIENCE_S
    while (
        any(Path(f"/proc/{pid.stem}").exists() for pid in pids) or len(list(folder.iterdir())) > 2
    ):
        assert time.monotonic() < ends_by
        time.sleep(0.05)
    assert sorted(folder.iterdir()) == sorted(pids)

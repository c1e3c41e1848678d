"""Many pieces of work on several processes, in a stream: memory does not grow with their number.

It knows nothing of what the pieces are. A piece that fails must come back as a result that says so;
what stands for one whose process the system has ended, the caller says.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

LOST = "its process was ended, alone too, perhaps for lack of memory"
"""What to say of a piece that was lost."""
_WAITING = 2
"""Pieces handed out per process, so that none waits and few are in memory."""
_PATIENCE_S = 30.0


def each(
    work: Callable[[T], R], items: Iterable[T], *, lost: Callable[[T], R], processes: int = 1
) -> Generator[R]:
    """Do a piece of work for every item.

    When the system ends one of several processes, those beside it end too, and nobody can tell
    whose fault it was. What they had in hand is done again, each piece with no other beside it;
    then new processes go on with the rest.

    Args:
        work: A function of a module, so that other processes can find it.
        items: What it is called with, one after the other.
        lost: Makes the result of an item whose process was ended when it was alone, too.
        processes: How many at a time; 1 stays in this process.

    Yields:
        Results as they come, in no particular order where there are several processes.
    """
    if processes == 1:
        yield from map(work, items)
        return
    queue = iter(items)
    while in_hand := (yield from _share_out(work, queue, processes)):
        for item in in_hand:
            if (yield from _share_out(work, iter([item]), 1)):
                yield lost(item)


def _share_out(
    work: Callable[[T], R], queue: Iterator[T], processes: int
) -> Generator[R, None, list[T]]:
    """Work on a queue until it is empty, or one of the processes was ended.

    Returns:
        Items in hand when a process was ended: taken from the queue and without a result.
    """
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, initializer=quiet_worker)
    pending: dict[Future[R], T] = {}
    in_hand: list[T] = []
    try:
        while True:
            room = 0 if in_hand else processes * _WAITING - len(pending)
            pending |= {_submit(pool, work, item): item for item in islice(queue, room)}
            if not pending:
                break
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                item = pending.pop(future)
                try:
                    result = future.result()
                except BrokenProcessPool:
                    in_hand.append(item)
                else:
                    yield result
        if not in_hand:
            pool.shutdown()
    finally:
        end_pool(pool)
    return in_hand


def _submit(pool: ProcessPoolExecutor, work: Callable[[T], R], item: T) -> Future[R]:
    """Hand a piece to a pool; one that is broken already gives a result that says so."""
    try:
        return pool.submit(in_worker, work, item)
    except BrokenProcessPool as error:
        broken: Future[R] = Future()
        broken.set_exception(error)
        return broken


def end_pool(pool: ProcessPoolExecutor) -> None:
    """End the processes of a pool, whatever they are at; they have half a minute to clean up."""
    pool.shutdown(wait=False, cancel_futures=True)
    children = multiprocessing.active_children()
    for child in children:
        child.terminate()
    for child in children:
        child.join(timeout=_PATIENCE_S)


def quiet_worker() -> None:
    """Let an interrupt unwind the worker, so that its half-written files go, in silence.

    So does the end of the process that started it, of which nobody else would tell it.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(1))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Wait for the end of the parent process, then end this one; it has half a minute to clean up.

    To be run beside the work; a thread that waits costs nothing.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    parent.join()
    if sys.platform == "win32":
        os._exit(1)
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    time.sleep(_PATIENCE_S)
    os._exit(1)


def in_worker(work: Callable[[T], R], item: T) -> R:
    """Do a piece of work in a process of a pool, which ends once an interrupt has unwound it.

    The pool by itself would take the exit for the work's result and begin the next piece.
    """
    try:
        return work(item)
    except SystemExit:
        os._exit(1)

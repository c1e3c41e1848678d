"""Many pieces of work on several processes, in a stream: memory does not grow with their number.

It knows nothing of what the pieces are. A piece that fails must come back as a result that says so.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_WAITING = 2
"""Pieces handed out per process, so that none waits and few are in memory."""
_PATIENCE_S = 30.0


def each(work: Callable[[T], R], items: Iterable[T], *, processes: int = 1) -> Generator[R]:
    """Do a piece of work for every item.

    Args:
        work: A function of a module, so that other processes can find it.
        items: What it is called with, one after the other.
        processes: How many at a time; 1 stays in this process.

    Yields:
        Results as they come, in no particular order where there are several processes.
    """
    if processes == 1:
        yield from map(work, items)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, initializer=quiet_worker)
    queue = iter(items)
    try:
        pending: set[Future[R]] = set()
        while True:
            room = processes * _WAITING - len(pending)
            pending |= {pool.submit(in_worker, work, item) for item in islice(queue, room)}
            if not pending:
                break
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    finally:
        end_pool(pool)


def end_pool(pool: ProcessPoolExecutor) -> None:
    """End the processes of a pool, whatever they are at; they have half a minute to clean up."""
    pool.shutdown(wait=False, cancel_futures=True)
    children = multiprocessing.active_children()
    for child in children:
        child.terminate()
    for child in children:
        child.join(timeout=_PATIENCE_S)


def quiet_worker() -> None:
    """Let an interrupt unwind the worker, so that its half-written files go, in silence."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(1))


def in_worker(work: Callable[[T], R], item: T) -> R:
    """Do a piece of work in a process of a pool, which ends once an interrupt has unwound it.

    The pool by itself would take the exit for the work's result and begin the next piece.
    """
    try:
        return work(item)
    except SystemExit:
        os._exit(1)

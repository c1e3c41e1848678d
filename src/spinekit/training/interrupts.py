"""Interrupts that wait: what must be done whole is, and then the run stops.

It knows signals, nothing of training.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
ENDED = (signal.SIGCHLD,) if hasattr(signal, "SIGCHLD") else ()
"""Tells that a process started here has ended; torch makes an error of it where a loader's did."""


def ignore_interrupts(_: int) -> None:
    """Leave SIGINT and SIGTERM to the process that started this one, a loader of batches."""
    for ignored in SIGNALS:
        signal.signal(ignored, signal.SIG_IGN)


@contextmanager
def postponed_interrupts() -> Iterator[None]:
    """Hold back SIGINT, SIGTERM and the end of a child until the block is left, then pass them on.

    Where one raises, as Ctrl-C does, those after it are dropped.

    Only the main thread can, and only signals that Python code handles are held back; elsewhere
    the block runs as it is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    before: dict[int, Any] = {}
    for held in (*SIGNALS, *ENDED):
        if callable(signal.getsignal(held)):
            before[held] = signal.signal(held, lambda got, _: waiting.append(got))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for number in dict.fromkeys(waiting):
        signal.raise_signal(number)

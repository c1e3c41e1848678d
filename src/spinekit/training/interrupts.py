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


@contextmanager
def postponed_interrupts() -> Iterator[None]:
    """Hold back SIGINT and SIGTERM until the block is left, then pass the last one on.

    Only the main thread can, and only signals that Python code handles are held back; elsewhere
    the block runs as it is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    before: dict[int, Any] = {}
    for held in SIGNALS:
        if callable(signal.getsignal(held)):
            before[held] = signal.signal(held, lambda got, _: waiting.append(got))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if waiting:
        signal.raise_signal(waiting[-1])

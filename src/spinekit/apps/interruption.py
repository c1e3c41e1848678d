"""Interrupts that cannot be lost.

Python drops an exception that arises where none may pass, such as in a destructor or a callback of
a library; an interrupt that fell there would leave a long run going.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType

_asked = threading.Event()


def hear_interrupts() -> None:
    """Let a request to end the process interrupt it like Ctrl-C; what is ignored stays ignored."""
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    _asked.set()
    raise KeyboardInterrupt


def heed_interrupt() -> None:
    """Interrupt now if that was asked for and lost.

    Raises:
        KeyboardInterrupt: It was asked for.
    """
    if _asked.is_set():
        raise KeyboardInterrupt

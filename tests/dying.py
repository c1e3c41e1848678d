"""Work whose process is ended while it does it, as the system does when memory is short."""

import os
import signal
from pathlib import Path
from typing import Any

from spinekit.curation import run
from spinekit.curation.exports.task import Task
from spinekit.curation.preparation import Job

DYING = "sub02"
"""What the name of a case begins with whose process is ended."""


class Fatal:
    """Ends the process that receives it."""

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return die, ()


class FatalOnce:
    """Ends the process that receives it the first time, and arrives as 0 the next."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return die_once, (self.mark,)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(mark: Path) -> int:
    if not mark.exists():
        mark.touch()
        die()
    return 0


def attempt(job: Job) -> run.Outcome:
    """As `run._attempt`, but for one case."""
    if job.name.startswith(DYING):
        die()
    return run._attempt(job)


def attempt_task(task: Task) -> tuple[str, str | None]:
    """As `run._attempt_task`, but for one case."""
    if task.name.startswith(DYING):
        die()
    return run._attempt_task(task)

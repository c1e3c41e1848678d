"""Code run where permissions and file sizes really are limited: as user nobody, in a child."""

import os
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from spinekit.core.errors import SpineKitError

NOBODY = 65534


def as_nobody(
    folder: Path, action: Callable[[], object], *, largest_file: int | None = None
) -> str:
    """Run ``action`` in ``folder`` without privileges; return what it raised, or ``no error``.

    The child is a fork, so that it needs to import nothing that nobody may not read; import
    what ``action`` needs beforehand.

    Args:
        folder: Working directory; those above it are opened for passing through.
        action: What to do.
        largest_file: Limit in bytes for written files, as a full disk sets it.
    """
    if not hasattr(os, "fork"):
        pytest.skip("needs a system with users, limits and fork")
    for parent in [folder, *folder.parents][:4]:
        if os.geteuid() == 0:
            parent.chmod(parent.stat().st_mode | 0o011)
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Later Pythons warn of threads at a fork; the child touches none of theirs.
        warnings.simplefilter("ignore")
        child = os.fork()
    if child == 0:
        try:
            told = _limited(folder, action, largest_file)
        except BaseException as error:
            told = f"crashed: {error!r}"
        os.write(writing, told.encode()[:4000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return told


def _limited(folder: Path, action: Callable[[], object], largest_file: int | None) -> str:
    """The child's part."""
    import resource

    os.chdir(folder)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    if largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    try:
        action()
    except SpineKitError as error:
        return f"{type(error).__name__} {error.code} {error}"
    return "no error"

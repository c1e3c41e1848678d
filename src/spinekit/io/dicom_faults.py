"""DICOM faults: whatever pydicom raises on damaged content, as errors that name the file.

Knows neither tags nor pixels; whoever reads them says what a failure would mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydicom.errors import InvalidDicomError

from spinekit.core.errors import InputError

AGAIN = "copy or export it again"
"""What to do about a damaged file."""


@contextmanager
def dicom_errors(file: Path, what: str = "the file is damaged or cut off") -> Iterator[None]:
    """Turn what pydicom raises on damaged content into an error that names the file.

    Args:
        file: The file.
        what: What it means if anything is raised inside.

    Raises:
        InputError: It is no DICOM file, or something was raised.
        OSError: The system's own error, as it came.
    """
    try:
        yield
    except (InputError, OSError, MemoryError):
        raise
    except InvalidDicomError as error:
        raise InputError("wrong-type", f"{file.name}: not a DICOM file", AGAIN) from error
    except Exception as error:  # pydicom raises nearly every built-in exception on damage
        raise InputError("file-damaged", f"{file.name}: {what}", AGAIN) from error

"""SpineKit names the spine in MRI: every vertebra, disc, canal, cord and sacrum.

Research use; not a medical device. The few public names below are loaded on first use, so
that `import spinekit` stays fast and never brings in a network runtime.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spinekit.apps.inference import SegmentationInference
    from spinekit.core.errors import SpineKitError
    from spinekit.options import SegmentOptions
    from spinekit.pipeline import segment
    from spinekit.segmentation import Segmentation

__version__ = version("spinekit")

__all__ = [
    "SegmentOptions",
    "Segmentation",
    "SegmentationInference",
    "SpineKitError",
    "__version__",
    "segment",
]

_WHERE = {
    "SegmentOptions": "spinekit.options",
    "Segmentation": "spinekit.segmentation",
    "SegmentationInference": "spinekit.apps.inference",
    "SpineKitError": "spinekit.core.errors",
    "segment": "spinekit.pipeline",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'spinekit' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)

"""Every layout by its name.

It knows their modules, nothing of what they write.
"""

from spinekit.curation.exports import bids, decathlon, monai_label, nnunet
from spinekit.curation.exports.task import Export

ALL: dict[str, Export] = {
    **nnunet.EXPORTS,
    "decathlon": decathlon.EXPORT,
    "monai-label": monai_label.EXPORT,
    "bids": bids.EXPORT,
}
"""Name → layout; the names a recipe may list."""

"""What names say of the items that bear them: a cut vertebra is no sacrum, pieces are one bone.

It knows a column and its names, and neither how they were decided nor where it is written.
"""

from __future__ import annotations

from spinekit.anatomy.items import Instances
from spinekit.instances.joining import join_items
from spinekit.instances.recasting import recast_sacrum
from spinekit.labelling.naming import Naming, keep_items


def apply_naming(instances: Instances, naming: Naming) -> tuple[Instances, Naming, tuple[int, ...]]:
    """Make a column what its names say.

    Args:
        instances: The split column.
        naming: Of its items.

    Returns:
        The column with a cut vertebra for the sacrum that it was found as, and with pieces joined;
        its naming, without pieces; and the places of the items that are left, all of them where
        nothing was joined.
    """
    instances = recast_sacrum(instances, naming.cut)
    if not naming.pieces:
        return instances, naming, tuple(range(len(instances.items)))
    instances, kept = join_items(instances, naming.pieces)
    return instances, keep_items(naming, kept), tuple(kept)

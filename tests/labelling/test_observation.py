"""What other sources say, beside a word that is certain."""

import dataclasses

import numpy as np

from labelling.columns import draw
from spinekit.anatomy.column import LEVELS
from spinekit.labelling.chain import name_column
from spinekit.labelling.outside import weigh


def test_what_is_stated_to_be_a_vertebra_stays_one_beside_a_certain_name() -> None:
    column = draw(np.random.default_rng(0), first="T11", last="L4", known=False)
    last = column.bones[-1]
    cut = column.instances.items[last]
    small = dataclasses.replace(
        cut,
        height_mm=0.5 * cut.height_mm,
        bottom_mm=cut.top_mm + 0.5 * cut.height_mm,
        volume_mm3=0.2 * cut.volume_mm3,
    )
    items = (*column.instances.items[:last], small)
    instances = dataclasses.replace(column.instances, items=items)
    said = np.array([[name == level for level in LEVELS] for name in column.truth], dtype=float)
    outside = weigh(said, items, np.full(len(LEVELS), 0.97))
    outside[column.bones] += 5.0
    certain = {column.bones[1]: "T12"}

    named = name_column(instances, column.evidence, outside=outside)
    again = name_column(instances, column.evidence, outside=outside, certain=certain)

    assert named.names[column.bones[1]] == "T12"
    assert named.names[last] == again.names[last] == "L4"

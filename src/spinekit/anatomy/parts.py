"""The parts of a parts map: what tissue a voxel is, whatever level it belongs to.

It knows values and their names, and nothing of levels or label maps.
"""

from __future__ import annotations

PARTS: tuple[str, ...] = ("background", "body", "posterior", "disc", "canal", "cord", "sacrum")
"""Names of the parts; the position is the value in a parts map and the class of the network."""

BACKGROUND, BODY, POSTERIOR, DISC, CANAL, CORD, SACRUM = range(len(PARTS))

VERTEBRA = 7
"""In masks alone: body or posterior elements, not told apart. A canal there includes the cord."""
BONE = (BODY, POSTERIOR, VERTEBRA)
"""All that may be of a vertebra."""

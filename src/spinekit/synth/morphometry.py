"""Mean sizes of the adult spine per level, as plain data.

Knows no image and no random number; sampling scatters around these values.

Sources: Panjabi et al. 1991 (cervical, Spine 16:861; thoracic, Spine 16:888) and 1992 (lumbar,
Spine 17:299) for bodies, pedicles and canal; Gilad & Nissan 1986 (Spine 11:154) and Busscher et
al. 2010 (Eur Spine J 19:1104) for body and disc heights; Frostell et al. 2016 (Front Neurol
7:238) for the cord. Values are rounded and smoothed over neighbouring levels.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LevelSize:
    """Mean sizes of one vertebra and of the disc below it, in mm unless said otherwise."""

    height: float
    """Body height (C1: height of the anterior arch)."""
    depth: float
    """Antero-posterior depth of the endplates."""
    width: float
    """Left-right width of the endplates."""
    disc: float
    """Height of the disc below (C1: gap to the body of C2)."""
    canal_ap: float
    """Antero-posterior size of the dural sac."""
    canal_width: float
    """Left-right size of the dural sac."""
    pedicle_width: float
    pedicle_height: float
    spinous: float
    """Length of the spinous process behind the lamina."""
    spinous_height: float
    tilt: float
    """Downward slope of the spinous process (tangent of its angle to the endplates)."""
    transverse: float
    """Distance of the transverse process tip from the midline."""
    cord_ap: float
    """Cord from front to back; the conus tapers by itself."""
    cord_width: float


LEVEL_SIZES: dict[str, LevelSize] = {
    "C1": LevelSize(10, 12, 26, 5, 17, 24, 7, 9, 2, 8, 0.0, 37, 7.6, 11.0),
    "C2": LevelSize(18, 15.5, 18.5, 5.0, 15, 22, 8, 9, 17, 12, 0.35, 26, 7.4, 11.8),
    "C3": LevelSize(13.6, 15.6, 17.0, 5.0, 13.2, 22, 5.6, 7, 14, 8, 0.35, 25, 7.0, 12.6),
    "C4": LevelSize(13.2, 15.9, 17.6, 5.0, 13.0, 22.5, 5.4, 7, 14, 8, 0.35, 25, 6.9, 13.2),
    "C5": LevelSize(13.0, 16.5, 18.8, 5.1, 13.0, 23, 5.6, 7, 16, 8, 0.35, 26, 6.8, 13.4),
    "C6": LevelSize(13.2, 17.2, 21.0, 5.4, 13.0, 23, 6.0, 7, 20, 8, 0.35, 27, 6.6, 13.0),
    "C7": LevelSize(14.6, 17.4, 23.4, 5.2, 13.0, 22, 6.6, 8, 28, 9, 0.40, 32, 6.4, 11.8),
    "T1": LevelSize(16.0, 18.0, 25.5, 4.6, 13.2, 19, 7.8, 10, 30, 9, 0.50, 37, 6.4, 10.4),
    "T2": LevelSize(17.2, 19.4, 25.0, 4.4, 13.2, 17, 6.8, 11, 30, 9, 0.70, 34, 6.4, 9.4),
    "T3": LevelSize(17.6, 21.4, 24.8, 4.2, 13.2, 16, 5.0, 12, 31, 9, 0.95, 31, 6.4, 9.0),
    "T4": LevelSize(18.0, 23.0, 25.0, 4.2, 13.2, 15.5, 4.6, 12, 32, 9, 1.15, 30, 6.3, 8.8),
    "T5": LevelSize(18.4, 24.4, 25.6, 4.4, 13.2, 15.5, 4.5, 12, 33, 9, 1.30, 30, 6.3, 8.8),
    "T6": LevelSize(19.0, 25.8, 26.6, 4.8, 13.2, 15.5, 4.6, 12, 34, 9, 1.35, 30, 6.3, 8.8),
    "T7": LevelSize(19.6, 27.0, 27.8, 5.0, 13.2, 15.5, 4.8, 12, 34, 9, 1.35, 30, 6.2, 8.8),
    "T8": LevelSize(20.2, 28.0, 29.2, 5.2, 13.2, 15.8, 5.0, 13, 32, 9, 1.20, 29, 6.2, 8.8),
    "T9": LevelSize(20.9, 29.2, 30.8, 5.6, 13.4, 16, 5.8, 14, 29, 10, 0.95, 28, 6.3, 8.9),
    "T10": LevelSize(21.8, 30.2, 33.0, 6.2, 13.6, 16.4, 6.8, 15, 27, 12, 0.65, 26, 6.5, 9.1),
    "T11": LevelSize(23.0, 31.2, 36.0, 6.8, 14.2, 17.2, 8.2, 17, 25, 15, 0.40, 23, 6.8, 9.4),
    "T12": LevelSize(24.6, 32.0, 39.0, 7.6, 15.0, 18.4, 8.0, 17, 26, 18, 0.25, 23, 7.6, 9.6),
    "L1": LevelSize(26.0, 33.2, 41.2, 8.6, 15.6, 19.6, 8.2, 16, 29, 20, 0.16, 33, 7.2, 9.2),
    "L2": LevelSize(26.8, 34.2, 42.8, 10.0, 15.2, 20.2, 8.6, 15, 31, 22, 0.14, 37, 6.4, 8.4),
    "L3": LevelSize(27.0, 34.8, 44.6, 11.0, 14.6, 20.6, 10.2, 15, 32, 22, 0.14, 43, 6.0, 8.0),
    "L4": LevelSize(26.8, 35.2, 46.8, 11.6, 14.2, 21.0, 12.6, 15, 30, 19, 0.18, 42, 6.0, 8.0),
    "L5": LevelSize(26.0, 34.8, 48.6, 10.8, 13.2, 20.6, 16.0, 15, 23, 14, 0.28, 43, 6.0, 8.0),
}
"""Mean adult sizes by level."""

SACRAL_HEIGHTS: tuple[float, ...] = (30.0, 25.0, 20.0, 18.0, 16.0, 12.0, 9.0, 8.0, 6.0)
"""Heights in mm of S1 … S5 and four coccygeal segments."""
SACRAL_DEPTHS: tuple[float, ...] = (32.0, 22.0, 16.5, 13.0, 11.0, 9.5, 8.0, 7.0, 5.0, 3.0)
"""Depth in mm of the sacral bodies at S1 top, S1-S2, … and the tip of the coccyx."""
SACRAL_HALF_WIDTHS: tuple[float, ...] = (54.0, 50.0, 42.0, 34.0, 27.0, 14.0, 9.0, 7.0, 5.0, 3.0)
"""Half of the left-right width in mm at the same places, alae included."""
SACRAL_TURNS: tuple[float, ...] = (-2.0, 2.0, 8.0, 14.0, 18.0, 18.0, 10.0, 8.0, 6.0)
"""Degrees by which each sacral segment turns forward."""

LORDOSIS_SHARES: tuple[float, ...] = (
    0.02, 0.06, 0.04, 0.09, 0.07, 0.12, 0.08, 0.16, 0.11, 0.25,
)  # fmt: skip
"""Share of lumbar lordosis in L1, L1-L2, L2, … L5, L5-S1 (Been & Kalichman 2014, Spine J 14:87)."""

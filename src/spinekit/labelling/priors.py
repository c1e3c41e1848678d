"""What is known before looking: how often columns vary, and how large each level is.

Plain published numbers and the densities made of them; nothing of one scan.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import LEVELS, Variant

VARIANT_PRIOR: dict[tuple[int, int], float] = {
    (12, 5): 0.886,
    (12, 6): 0.038,
    (13, 5): 0.013,
    (12, 4): 0.035,
    (11, 5): 0.015,
    (11, 6): 0.006,
    (13, 4): 0.006,
    (13, 6): 0.0005,
    (11, 4): 0.0005,
}
"""Probability of (thoracic, lumbar) counts.

One presacral vertebra too many in 18 + 4 lumbarised and one too few in 14 + 8 sacralised of 418
whole-spine MRI (Tins and Balain, Insights Imaging 2016; 7:199); their share between thorax and
loin, and the columns of 24 with a shifted border, after the morphology in Yun et al. (Korean J
Radiol 2018; 19:1140).
"""

HEIGHT_MM: dict[str, float] = {
    "C1": 11.0, "C2": 30.0, "C3": 13.2, "C4": 13.0, "C5": 12.8, "C6": 13.0, "C7": 14.2,
    "T1": 15.6, "T2": 16.8, "T3": 17.2, "T4": 17.7, "T5": 18.2, "T6": 18.8, "T7": 19.4, "T8": 20.0,
    "T9": 20.8, "T10": 21.9, "T11": 23.0, "T12": 24.6, "T13": 25.2,
    "L1": 26.0, "L2": 26.7, "L3": 26.8, "L4": 26.7, "L5": 26.2, "L6": 26.0,
}  # fmt: skip
"""Height of the body at its middle, C2 with the dens."""
DEPTH_MM: dict[str, float] = {
    "C1": 10.0, "C2": 13.5, "C3": 15.4, "C4": 15.6, "C5": 15.8, "C6": 16.8, "C7": 17.6,
    "T1": 18.2, "T2": 19.6, "T3": 21.8, "T4": 23.2, "T5": 24.4, "T6": 25.8, "T7": 27.0, "T8": 28.0,
    "T9": 29.2, "T10": 30.2, "T11": 31.4, "T12": 32.4, "T13": 33.0,
    "L1": 33.6, "L2": 34.3, "L3": 34.9, "L4": 35.1, "L5": 34.8, "L6": 34.4,
}  # fmt: skip
"""Depth of the body front to back."""
DISC_MM: dict[str, float] = {
    "C1": 3.0, "C2": 5.0, "C3": 5.0, "C4": 5.0, "C5": 5.0, "C6": 5.2, "C7": 5.0,
    "T1": 4.5, "T2": 4.2, "T3": 4.1, "T4": 4.2, "T5": 4.4, "T6": 4.7, "T7": 5.0, "T8": 5.3,
    "T9": 5.7, "T10": 6.2, "T11": 6.8, "T12": 7.6, "T13": 7.8,
    "L1": 8.6, "L2": 9.9, "L3": 10.8, "L4": 11.2, "L5": 10.6, "L6": 10.0,
}  # fmt: skip
"""Height of the disc below each level.

Bodies after Panjabi et al. (Spine 1991; 16:861 and 16:888; 1992; 17:299) and Gilad and Nissan
(Spine 1986; 11:154), discs after Kunkel et al. (J Anat 2011; 219:375); dry bones are a little
smaller than bones on MRI, which the scale of the patient takes up.
"""

MEASURED = {"height": 1.02, "depth": 0.92, "pitch": 0.98}
"""Measured over tabled size, mean of 82 real scans the network had not seen: bones on MRI are
larger than dry ones, and the mean depth of a rounded body is less than its greatest."""
SCALE_LOG_SD = 0.07
"""Spread of the size of adults."""
SIZE_LOG_SD = {
    "height": (0.03, 0.055, 0.045),
    "depth": (0.05, 0.08, 0.04),
    "pitch": (0.02, 0.06, 0.03),
}
"""Spread of what a scan's sizes of a kind share, of what neighbours share, and of what is each
one's own, errors of segmentation and spacing included."""
SHARED_OVER = 7.0
"""Levels over which the neighbours' part falls to 1/e."""
DENS_LOG_SD = 0.25
"""The same for the height of C2, of which more or less of the dens is found: 23 to 37 mm in four
necks."""
SIZE_WEIGHT = 0.5
"""For the errors of the means themselves, least known of all in columns of another count. On 82
real scans without any word of the network, with and without their sacrum, log loss 0.145 and 0.449;
at 1.0 0.169 and 0.337, but with another count at 10 % or more in 21 scans with the network's word,
instead of 8."""
SIZE_CAP = 6.0
"""Most that one size may speak against a level: a collapsed body is not another level."""
TALL_CAP = 20.0
"""The same for a height beyond the level's: bodies collapse but do not grow, and only C2 with the
dens is twice as tall as its neighbours."""


def variant_log_prior(variant: Variant) -> float:
    """Logarithm of a column's published probability."""
    return float(np.log(VARIANT_PRIOR[variant.thoracic, variant.lumbar]))


SIZE_MM: dict[str, NDArray[np.float64]] = {
    "height": MEASURED["height"] * np.array([HEIGHT_MM[n] for n in LEVELS[:-1]]),
    "depth": MEASURED["depth"] * np.array([DEPTH_MM[n] for n in LEVELS[:-1]]),
}
"""(26,) expected size of each vertebra of LEVELS."""


def _pitches() -> NDArray[np.float64]:
    """(26, 26) expected distance of the middles of each vertebra and the one below it."""
    height = np.array([HEIGHT_MM[n] for n in LEVELS[:-1]])
    disc = np.array([DISC_MM[n] for n in LEVELS[:-1]])
    pitch = 0.5 * np.add.outer(height, height) + disc[:, None]
    # C1 is a ring around the dens.
    pitch[0] = 14.0
    return MEASURED["pitch"] * pitch


PITCH_MM: NDArray[np.float64] = _pitches()

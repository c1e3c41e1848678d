"""Header against anatomy: is the spine where the header says it is?

It turns readings of axes into findings; how they are read, it does not know.
"""

from __future__ import annotations

from collections.abc import Iterator

from spinekit.curation.doctor.axes import AxisReading
from spinekit.curation.doctor.evidence import Evidence
from spinekit.curation.doctor.findings import Finding

_LEFT_RIGHT = "left and right cannot be told apart and were taken as they come"


def check(evidence: Evidence) -> Iterator[Finding]:
    """Report axes that contradict the anatomy; the masks' word goes before the image's."""
    masks, image = evidence.mask_axes, evidence.image_axes
    for reading in (masks, image):
        if reading is not None and reading.is_wrong:
            yield _wrong(evidence, reading)
            return
    if evidence.specimen.scan is None or not (masks or image):
        return
    told = {letter for reading in (masks, image) if reading is not None for letter in reading.told}
    unsure = [word for letter, word in (("S", "up"), ("A", "front")) if letter not in told]
    if unsure:
        text = f"nothing tells where {' and '.join(unsure)} is; {_LEFT_RIGHT}"
        yield evidence.finding("axes-unsure", text)


def _wrong(evidence: Evidence, reading: AxisReading) -> Finding:
    source = "the masks" if reading.source == "masks" else "the image, as the model sees it"
    text = (
        f"by its header the array axes point {reading.stated}, but {source} say{_s(reading)} "
        f"{reading.found}; {_LEFT_RIGHT}"
    )
    if reading.source == "masks" and not reading.upside_sure and _upside_down(reading):
        text += "; or the names are counted from the wrong end"
    facts = {"stated": reading.stated, "found": reading.found, "source": reading.source}
    return evidence.finding("axes-wrong" if reading.is_sure else "axes-doubtful", text, facts=facts)


def _s(reading: AxisReading) -> str:
    return "" if reading.source == "masks" else "s"


def _upside_down(reading: AxisReading) -> bool:
    pairs = zip(reading.stated, reading.found, strict=True)
    return any({one, two} == {"S", "I"} for one, two in pairs)

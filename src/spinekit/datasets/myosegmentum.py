"""MyoSegmenTUM spine: water-fat MRI of 54 healthy people with bodies of L1 to L5 and muscles.

Names follow the archive's folders as other public code describes them. Water and fat images are
single DICOM files; masks are one MetaImage per structure. Muscles are passed over.
"""

from __future__ import annotations

import re
from pathlib import Path

from spinekit.core.errors import RecipeError
from spinekit.datasets.case import Case
from spinekit.datasets.entry import Entry, Settings, holds
from spinekit.datasets.meaning import mask_file
from spinekit.datasets.sources import Osf

LAYOUT = """\
{NN}/vertebrae/{WATER,FAT,FATFRACTION,T2star,B0}.dcm
{NN}/vertebrae/L{1–5}_{NN}.mha
{NN}/muscle/{psoas,erector_spinae}_{left,right}_{NN}.mha      passed over
"""

CONTRASTS = {"WATER": "water", "FAT": "fat"}


def find(root: Path, settings: Settings) -> list[Case]:
    """Water and fat image of every person.

    Args:
        root: Holds a folder per person, at any depth.
        settings: `images` chooses among water and fat.

    Returns:
        Cases by name; the masks of a person belong to both images. Empty without images.

    Raises:
        RecipeError: `images` names something else.
    """
    wanted = settings.get("images", list(CONTRASTS.values()))
    wanted = [wanted] if isinstance(wanted, str) else wanted
    for word in wanted:
        if word not in CONTRASTS.values():
            raise RecipeError("bad-setting", f"images = {word!r}", "water, fat or both")
    cases = []
    for folder in sorted(root.glob("**/vertebrae")):
        number = folder.parent.name
        if not re.fullmatch(r"\d+", number) or "__MACOSX" in folder.parts:
            continue
        masks = tuple(
            mask_file(path, path.name[:2]) for path in sorted(folder.glob("L[1-5]_*.mha"))
        )
        for file, contrast in CONTRASTS.items():
            image = folder / f"{file}.dcm"
            if image.is_file() and contrast in wanted:
                cases.append(
                    Case(
                        name=f"myosegmentum{number}_{contrast}",
                        dataset="myosegmentum",
                        subject=f"myosegmentum{number}",
                        image=image,
                        masks=masks,
                        contrast=contrast,
                    )
                )
    return cases


ENTRY = Entry(
    name="myosegmentum",
    title="MyoSegmenTUM spine: chemical-shift water-fat MRI (54 people)",
    citation="Burian et al., Lumbar muscle and vertebral bodies segmentation of chemical shift "
    "encoding-based water-fat MRI: the reference database MyoSegmenTUM spine, BMC Musculoskelet "
    "Disord (2019), doi:10.1186/s12891-019-2528-x",
    licence="freely accessible by the paper; licence not verified here",
    homepage="https://osf.io/3j54b/?view_only=f5089274d4a449cda2fef1d2df0ecc56",
    layout=LAYOUT,
    labels="one binary mask per body, L1 to L5",
    find=find,
    recognise=holds("**/vertebrae/L[1-5]_*.mha"),
    source=Osf(("3j54b",), "f5089274d4a449cda2fef1d2df0ecc56"),
    settings={"images": "`water`, `fat` or both (default)"},
)

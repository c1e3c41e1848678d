"""Vertebrae named right in drawn studies: each series alone, with a localizer, and all together.

A study is one phantom as a thoracic T1, a lumbar T2 and an axial lumbar block. The localizer of the
thoracic and the axial series is the result of the lumbar one.

    python benchmarks/study.py --studies 3
    python benchmarks/study.py --studies 1 --picture docs/images/study.png
"""

import argparse
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np
from PIL import Image

from spinekit.anatomy.scheme import NAMES, VALUES
from spinekit.core.grid import Grid
from spinekit.options import SegmentOptions
from spinekit.pipeline import segment
from spinekit.prediction.predictor import load_predictor
from spinekit.segmentation import Segmentation
from spinekit.study import segment_study
from spinekit.synth.phantom import Phantom, draw_phantom

SERIES = {
    "thoracic_T1": ("T12", "T5", (-5, 10), (56, 150), (4.0, 1.0, 1.0), "T1", "sagittal"),
    "lumbar_T2": ("sacrum", "T10", (-40, 5), (60, 150), (4.4, 0.9, 0.9), "T2", "sagittal"),
    "lumbar_axial": ("L4", "L1", (-15, 15), (110, 120), (0.8, 0.8, 4.0), "T2", "axial"),
}
"""Lowest and highest level, mm beyond their centres, width and depth in mm, voxels, contrast,
plane."""
PICTURE_HEIGHT = 640
"""Pixels."""


def draw_studies(first: int) -> Iterator[tuple[int, dict[str, Phantom]]]:
    """Seeds from the first on and their studies, but for phantoms that lack one of the levels."""
    for seed in count(first):
        study = draw_study(seed)
        if study is not None:
            yield seed, study


def draw_study(seed: int) -> dict[str, Phantom] | None:
    """The series of one phantom, None where it is cut off above one of their ends."""
    whole = draw_phantom(seed, fov="whole", contrast="T2", spacing_mm=(6, 2, 2), anomalies=())
    ends = {VALUES[name] for low, high, *_ in SERIES.values() for name in (low, high)}
    if not ends <= set(np.unique(whole.labels).tolist()):
        return None
    middle = whole.grid.ijk_to_ras(np.argwhere(whole.labels > 0).mean(axis=0))[0]

    def height(name: str) -> float:
        where = np.argwhere(whole.labels == VALUES[name])
        return float(whole.grid.ijk_to_ras(where.mean(axis=0))[0, 2])

    study = {}
    for name, (low, high, beyond, size, voxel, contrast, plane) in SERIES.items():
        bottom, top = height(low) + beyond[0], height(high) + beyond[1]
        extent = (*size, top - bottom)
        affine = np.diag([*voxel, 1.0])
        affine[:3, 3] = [middle[0] - size[0] / 2, middle[1] - size[1] / 2, bottom]
        shape = tuple(round(mm / step) for mm, step in zip(extent, voxel, strict=True))
        study[name] = draw_phantom(
            seed, fov="whole", contrast=contrast, plane=plane, anomalies=(),
            grid=Grid((shape[0], shape[1], shape[2]), affine),
        )  # fmt: skip
    return study


def count_right(result: Segmentation, truth: Phantom) -> tuple[int, int]:
    """Vertebrae that bear the name of the one they lie in, and all that were found."""
    right = total = 0
    for row in result.structures:
        if row.part == "vertebra" and row.value is not None:
            inside = truth.labels[(result.labels == row.value) & (truth.labels > 2)]
            total += 1
            right += len(inside) > 0 and NAMES[int(np.bincount(inside).argmax())] == row.name
    return right, total


def draw_picture(results: list[Segmentation], path: Path) -> None:
    """The named halves of previews side by side, scaled to one height."""
    panels = []
    for result in results:
        whole = result.preview()
        named = whole.crop((whole.width // 2, 0, whole.width, round(0.965 * whole.height)))
        width = round(named.width * PICTURE_HEIGHT / named.height)
        panels.append(named.resize((width, PICTURE_HEIGHT), Image.Resampling.LANCZOS))
    page = Image.new(
        "RGB", (sum(panel.width + 12 for panel in panels) - 12, PICTURE_HEIGHT), "white"
    )
    left = 0
    for panel in panels:
        page.paste(panel, (left, 0))
        left += panel.width + 12
    page.save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=3)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--picture", type=Path, help="draw the first one's thoracic series")
    args = parser.parse_args()
    predictor = load_predictor()
    print("| study | series | alone | localizer | together |\n|---|---|---|---|---|")
    for seed, study in islice(draw_studies(args.seed), args.studies):
        with TemporaryDirectory() as folder:
            paths = {name: Path(folder) / f"{name}.nii.gz" for name in study}
            for name, drawn in study.items():
                nib.save(nib.Nifti1Image(drawn.image, drawn.grid.affine), paths[name])
            alone = {name: segment(path, predictor=predictor) for name, path in paths.items()}
            loc = str(alone["lumbar_T2"].save(folder)["dseg"])
            options = SegmentOptions()
            joint = segment_study(
                [(path, options) for path in paths.values()],
                names=list(paths),
                predictor=predictor,
            )
            if (
                args.picture is not None
                and seed == args.seed
                and not isinstance(joint[0], Exception)
            ):
                draw_picture([alone["thoracic_T1"], joint[0]], args.picture)
            for (name, path), together in zip(paths.items(), joint, strict=True):
                if isinstance(together, Exception):
                    raise together
                cells = [alone[name], None, together]
                if name != "lumbar_T2":
                    cells[1] = segment(path, predictor=predictor, localizer=loc)
                counts = [
                    "" if cell is None else "{} of {}".format(*count_right(cell, study[name]))
                    for cell in cells
                ]
                print(f"| {seed} | {name} | {' | '.join(counts)} |", flush=True)


if __name__ == "__main__":
    main()

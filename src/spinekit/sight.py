"""What a network sees in the scan that a mask was drawn on: levels, and a column of its own.

It knows images on a grid and names; nothing of files, and of masks only their instances.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import LEVELS
from spinekit.anatomy.items import Instances
from spinekit.consequences import apply_naming
from spinekit.core.errors import Notice
from spinekit.core.geometry import GeometryRecord, normalise_geometry
from spinekit.core.grid import Grid
from spinekit.core.intensity import normalise_intensity
from spinekit.core.margins import clear_fill, find_imaged
from spinekit.core.volume import Volume
from spinekit.instances import split_instances
from spinekit.instances.cutting import mark_cut
from spinekit.instances.placing import place_instances
from spinekit.labelling.chain import name_column
from spinekit.labelling.earlier import rely_on, temper
from spinekit.labelling.evidence import pool_levels
from spinekit.labelling.localizer import NamedMap, ask
from spinekit.labelling.naming import Naming
from spinekit.labelling.outside import Outside, usual_reliability
from spinekit.prediction.predictor import Predictor, ask_predictor
from spinekit.prediction.runner import Prediction
from spinekit.structures import compose_labels, give_names

See = Callable[[Instances], NDArray[np.float64]]
"""(n, 27) distribution over LEVELS for each of n instances on the working grid."""


@dataclass(frozen=True)
class Sight:
    """What a network sees in a scan."""

    levels: See
    """Of the levels of instances that are told apart elsewhere."""
    column: NamedMap
    """The bones and discs it finds itself, named by all that the scan shows."""
    sure: Mapping[str, float]
    """Level → probability of each name in that column."""
    grid_mm: tuple[float, float]
    """In-plane spacing and least slice spacing of the working grid, mm."""

    def tell(
        self,
        instances: Instances,
        grid: Grid,
        name: Callable[[NDArray[np.float64]], Naming],
    ) -> Outside:
        """What the column in the scan says of bones told apart elsewhere, as evidence.

        It rests on the levels seen and on sizes, which speak for these bones by themselves; so no
        name becomes surer than it is there.

        Args:
            instances: The bones.
            grid: Where they lie.
            name: Names them under a log likelihood (n, 27) of levels.

        Returns:
            Its likelihood and reading; only a notice where it shows none of the bones, and nothing
            where there is no vertebra to look for.
        """
        if all(item.kind != "vertebra" for item in instances.items):
            return Outside()
        told = ask(instances, grid, self.column)
        if told.likelihood is None:
            file = self.column.source["file"]
            text = f"{file}: the network finds none of these vertebrae there; names rest on levels"
            return Outside(notices=(Notice("image-unseen", text),))
        (row,) = told.readings
        return Outside(temper(told.likelihood, row["names"], self.sure, name), (row,))


def normalise_like(volume: Volume, like: Sight | Predictor | None) -> tuple[Volume, GeometryRecord]:
    """A volume on the working grid of a sight or a predictor, any without one; and the way back."""
    if like is None:
        return normalise_geometry(volume)
    in_plane_mm, min_slice_mm = like.grid_mm
    return normalise_geometry(volume, in_plane_mm=in_plane_mm, min_slice_mm=min_slice_mm)


def look_at(image: Volume, predictor: Predictor, *, file: str) -> Sight:
    """Let a network look at a scan.

    Args:
        image: (I, J, K) intensities of any range.
        predictor: What to look with.
        file: What the scan is called in reports.

    Raises:
        ModelError: What the predictor answers cannot be used.
    """
    working = normalise_like(image, predictor)[0]
    imaged = find_imaged(image)
    layers, ends = imaged.seen_in(working.grid), imaged.ends_in(working.grid)
    shown = np.zeros(working.shape, np.float32)
    shown[:, :, layers] = normalise_intensity(working.array[:, :, layers])
    seen = ask_predictor(predictor, Volume(shown, working.grid))
    clear_fill(seen.parts_probs, imaged.fill_in(working.grid), ends)
    own = split_instances(seen.parts_probs[:, :, :, layers], working.spacing_mm)
    own = mark_cut(own, None if ends is None else ends[:, :, layers])
    column, sure = _name_seen(seen, own, layers, working.grid, {"source": "image", "file": file})

    def see(instances: Instances) -> NDArray[np.float64]:
        return pool_levels(seen.level_probs, seen.level_stride, instances)

    return Sight(see, column, sure, predictor.grid_mm)


def _name_seen(
    seen: Prediction, own: Instances, layers: slice, grid: Grid, source: dict[str, str]
) -> tuple[NamedMap, dict[str, float]]:
    """The column in layers of a prediction on a grid, and how sure each level's name is."""
    instances = place_instances(own, layers, grid.shape[2])
    # Margins are no room for bones that were not found: names are those of what is imaged.
    naming = name_column(own, pool_levels(seen.level_probs, seen.level_stride, instances))
    instances, naming, _ = apply_naming(instances, naming)
    named = give_names(instances.items, naming.names, naming.probability)
    sure = {
        entry.name: entry.probability
        for entry in named
        if entry.name in LEVELS and entry.probability is not None
    }
    usual = np.full(len(LEVELS), usual_reliability(list(sure)))
    labels = Volume(compose_labels(instances, named)[0], grid)
    names = {entry.value: entry.name for entry in named}
    return NamedMap(labels, names, rely_on(sure, usual), dict(source)), sure

"""Label values, names, colours and parts, and the conversion to other label schemes.

It knows the meaning of a number in a label map and nothing of how the map came about.
"""

from __future__ import annotations

import colorsys
import tomllib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import (
    CERVICAL,
    LEVELS,
    LUMBAR,
    SACRUM,
    THORACIC,
    Variant,
    ends_of,
    successors,
)
from spinekit.anatomy.gaps import fill_gaps
from spinekit.anatomy.parts import PARTS
from spinekit.core.errors import UsageError

__all__ = ["COLOURS", "LEVELS", "NAMES", "PARTS", "VALUES", "Lost", "Scheme"]

SPINAL_CORD = 1
SPINAL_CANAL = 2
SACRUM_VALUE = 50
LAST_DISC = 100
"""The disc above the sacrum, whatever vertebra lies above it."""
ABSTAINED_VERTEBRA = range(201, 231)
"""Values of vertebrae without a name, from the top."""
ABSTAINED_DISC = range(231, 256)
"""Values of discs without a name, from the top."""


def _build_values() -> dict[str, int]:
    values = {"spinal_cord": SPINAL_CORD, "spinal_canal": SPINAL_CANAL}
    for names, first in ((CERVICAL, 11), (THORACIC, 21), (LUMBAR, 41)):
        values.update({name: first + n for n, name in enumerate(names)})
    values[SACRUM] = SACRUM_VALUE
    values.update({f"C{n}-C{n + 1}": 61 + n for n in range(2, 7)})
    values["C7-T1"] = 71
    values.update({f"T{n}-T{n + 1}": 71 + n for n in range(1, 13)})
    values.update({"T12-L1": 91, "T11-L1": 91, "T13-L1": 84})
    values.update({f"L{n}-L{n + 1}": 91 + n for n in range(1, 6)})
    values.update({"L5-S1": LAST_DISC, "L4-S1": LAST_DISC, "L6-S1": LAST_DISC})
    values.update({f"vertebra_{n + 1}": v for n, v in enumerate(ABSTAINED_VERTEBRA)})
    values.update({f"disc_{n + 1}": v for n, v in enumerate(ABSTAINED_DISC)})
    return values


VALUES: dict[str, int] = _build_values()
"""Name to value; `T11-L1`, `L4-S1` and `L6-S1` share the value of the usual name."""

NAMES: dict[int, str] = dict(sorted({v: name for name, v in reversed(VALUES.items())}.items()))
"""Value to its usual name, the first of those that share it (91 is `T12-L1`, 100 is `L5-S1`)."""


def _build_colours() -> dict[int, tuple[int, int, int]]:
    colours = {
        SPINAL_CORD: (255, 214, 51),
        SPINAL_CANAL: (92, 200, 255),
        SACRUM_VALUE: (176, 122, 74),
    }
    for name, value in VALUES.items():
        if value in colours:
            continue
        is_disc = "-" in name or value in ABSTAINED_DISC
        ends = ends_of(name)
        order = sum(map(LEVELS.index, ends)) / len(ends) if value <= LAST_DISC else value
        # Golden-angle steps keep neighbours far apart in hue whatever the number of levels.
        hue = (order * 0.381966) % 1.0
        saturation, brightness = (0.45, 1.0) if is_disc else (0.75, 0.88)
        if value > LAST_DISC:
            saturation, brightness = (0.3, 0.8) if is_disc else (0.5, 0.7)
        red, green, blue = colorsys.hsv_to_rgb(hue, saturation, brightness)
        colours[value] = (round(red * 255), round(green * 255), round(blue * 255))
    return dict(sorted(colours.items()))


COLOURS: dict[int, tuple[int, int, int]] = _build_colours()
"""Value to a constant RGB colour (0..255); neighbouring levels differ."""


def kind_of_value(value: int) -> str:
    """The kind of structure a value stands for; its part, where it has one, is in `anatomy.parts`.

    Args:
        value: a label value of this package.

    Returns:
        `vertebra`, `disc`, `sacrum`, `spinal_cord` or `spinal_canal`.

    Raises:
        KeyError: the value has no meaning.
    """
    name = NAMES[value]
    if value in (SPINAL_CORD, SPINAL_CANAL, SACRUM_VALUE):
        return name
    return "disc" if "-" in name or value in ABSTAINED_DISC else "vertebra"


def disc_name(above: str, below: str) -> str:
    """The name of the disc between two levels.

    Args:
        above: the level above the disc.
        below: the level below it, `sacrum` for the last disc.

    Returns:
        For example `L4-L5` or `L5-S1`.

    Raises:
        ValueError: the two are not neighbours in any legal column, or have no disc (C1-C2).
    """
    if below not in successors(above):
        raise ValueError(f"{below} never stands directly below {above}")
    name = f"{above}-{'S1' if below == SACRUM else below}"
    if name not in VALUES:
        raise ValueError(f"there is no disc between {above} and {below}")
    return name


def disc_value(above: str, below: str) -> int:
    """The value of the disc between two levels; arguments and errors as for disc_name."""
    return VALUES[disc_name(above, below)]


@dataclass(frozen=True, slots=True)
class Lost:
    """A structure that a conversion could not keep."""

    name: str
    value: int
    voxels: int
    merged_into: int | None = None
    """The foreign value it shares with another structure, None when it became background."""


@dataclass(frozen=True)
class Scheme:
    """Another tool's label values.

    `values` maps our names to theirs. A scheme that counts places in the column upwards instead of
    naming levels has `bottom_up_vertebra` and `bottom_up_disc`, the values of the lowest ones.
    """

    name: str
    description: str
    source: str
    values: Mapping[str, int] = field(default_factory=dict)
    bottom_up_vertebra: int | None = None
    bottom_up_disc: int | None = None
    bottom_up_partial: int | None = None
    """Value of the lowest vertebra where it is only partly in view; read, never written."""

    def table(self, label_map: NDArray[np.integer]) -> dict[int, tuple[str, int]]:
        """What each value in a label map of ours becomes.

        Args:
            label_map: (I, J, K) our values, any number of dimensions.

        Returns:
            Our value to (name, their value), top to bottom; values without a counterpart are
            absent. Empty for an empty map.
        """
        present = [int(v) for v in np.unique(label_map) if int(v) in NAMES]
        names = {value: name_in_context(value, present) for value in present}
        table = {v: (name, self.values[name]) for v, name in names.items() if name in self.values}
        if self.bottom_up_vertebra is not None:
            chain = _list_levels(names.values())
            bones = _place_bones(label_map, present, chain)
            upwards = chain[: max(map(chain.index, bones), default=-1) + 1][::-1]
            for level, value in bones.items():
                table[value] = (NAMES[value], self.bottom_up_vertebra + upwards.index(level))
            for value, name in names.items():
                above, dash, _ = name.partition("-")
                if self.bottom_up_disc is not None and dash and above in upwards:
                    table[value] = (name, self.bottom_up_disc + upwards.index(above))
        return table

    def convert(self, label_map: NDArray[np.integer]) -> tuple[NDArray[np.uint8], tuple[Lost, ...]]:
        """Our label map in this scheme's values, and what it could not hold.

        Args:
            label_map: (I, J, K) our values.

        Returns:
            (I, J, K) their values, and the structures lost or merged, by value. An empty map
            gives zeros and no loss.
        """
        table = {value: theirs for value, (_, theirs) in self.table(label_map).items()}
        lookup = np.zeros(256, dtype=np.uint8)
        lookup[list(table)] = list(table.values())
        counts = np.bincount(label_map.ravel().astype(np.int64), minlength=256)
        users = Counter(table.values())
        lost = tuple(
            Lost(NAMES.get(value, str(value)), value, int(counts[value]), table.get(value))
            for value in map(int, np.flatnonzero(counts[1:256]) + 1)
            if value not in table or users[table[value]] > 1
        )
        return lookup[label_map], lost

    def meanings(
        self, *, lowest: str = "L5", present: Collection[int] | None = None
    ) -> dict[int, str]:
        """What each of this scheme's values is in our names.

        A value shared by canal and cord is the canal with the cord in it. A disc that is only
        said to lie below its vertebra is named by the vertebrae present.

        Args:
            lowest: The vertebra a scheme that counts from the lowest one begins with.
            present: The values of the map that is read; None for an ordinary column.

        Returns:
            Their value to our name, in the order of their values.

        Raises:
            UsageError: `lowest` is no vertebra.
        """
        names: dict[int, list[str]] = {}
        for name, value in self.values.items():
            names.setdefault(value, []).append(name)
        usual = (*Variant().levels, "spinal_canal")
        bones = [n for v, (n, *_) in names.items() if present and v in present and n in LEVELS]
        found = {value: _likeliest(some, bones or usual) for value, some in names.items()}
        if self.bottom_up_vertebra is not None:
            for n, (bone, disc) in enumerate(_upwards(lowest)):
                found[self.bottom_up_vertebra + n] = bone
                if self.bottom_up_partial is not None:
                    found[self.bottom_up_partial + n] = bone
                if self.bottom_up_disc is not None and disc is not None:
                    found[self.bottom_up_disc + n] = disc
        return dict(sorted(found.items()))

    def read(
        self, label_map: NDArray[np.integer], *, lowest: str = "L5"
    ) -> tuple[NDArray[np.uint8], tuple[Lost, ...]]:
        """A label map in this scheme's values → ours, and what had no meaning.

        Args:
            label_map: (I, J, K) their values, any integers.
            lowest: As in `meanings`.

        Returns:
            (I, J, K) our values, and a row for every value without a meaning (its name is the
            number). An empty map gives zeros and no loss.

        Raises:
            UsageError: `lowest` is no vertebra.
        """
        known = self.meanings(lowest=lowest, present=np.unique(label_map).tolist())
        return read_values(label_map, known)


def read_values(
    label_map: NDArray[np.integer], meanings: Mapping[int, str]
) -> tuple[NDArray[np.uint8], tuple[Lost, ...]]:
    """A label map → our values, by what each of its values means.

    Args:
        label_map: (I, J, K) any integers; 0 is background.
        meanings: Their value to our name.

    Returns:
        (I, J, K) our values, and a row for every value without a meaning (its name is the
        number). An empty map gives zeros and no loss.
    """
    present, where = np.unique(label_map, return_inverse=True)
    ours = [VALUES[meanings[int(v)]] if int(v) in meanings else 0 for v in present]
    counts = np.bincount(where.ravel(), minlength=len(present))
    lost = tuple(
        Lost(str(value), int(value), int(count))
        for value, count in zip(present.tolist(), counts, strict=True)
        if value != 0 and value not in meanings
    )
    return np.array(ours, np.uint8)[where].reshape(label_map.shape), lost


def _list_levels(names: Collection[str]) -> tuple[str, ...]:
    """The vertebrae of a column, from C1, that a map with these names is of."""
    ends = {end for name in names for end in name.split("-")}
    thoracic = 13 if "T13" in ends else 11 if "T11-L1" in names else 12
    lumbar = 6 if "L6" in ends else 4 if "L4-S1" in names else 5
    return Variant(thoracic, lumbar).levels[:-1]


def _place_bones(
    label_map: NDArray[np.integer], present: Sequence[int], chain: Sequence[str]
) -> dict[str, int]:
    """Vertebrae in a map and their values; nameless ones too where they fill a gap in the chain."""
    bones = {level: VALUES[level] for level in chain if VALUES[level] in present}
    nameless = [value for value in present if value in ABSTAINED_VERTEBRA]
    return bones | fill_gaps(label_map, bones, nameless, chain)


def _likeliest(names: Sequence[str], bones: Sequence[str]) -> str:
    """Which of several names one value stands for, given the vertebrae there are."""
    if "spinal_canal" in names:
        return "spinal_canal"
    below = {name: ends_of(name)[-1] for name in names}
    fitting = [name for name in names if below[name] in bones] or [
        name for name in names if below[name] in Variant().levels
    ]
    return min(fitting or names, key=lambda n: LEVELS.index(below[n]) if below[n] in LEVELS else 0)


def _upwards(lowest: str) -> list[tuple[str, str | None]]:
    """Each vertebra from `lowest` to C1, and the disc below it."""
    if lowest not in LEVELS or lowest == SACRUM:
        raise UsageError(
            "unknown-name", f"{lowest!r} is no vertebra", "name the lowest one, such as L5"
        )
    chain = _list_levels((lowest,))
    upwards = chain[chain.index(lowest) :: -1]
    last = SACRUM if lowest in ("L4", "L5", "L6") else successors(lowest)[-1]
    discs = [
        disc_name(above, below) if f"{above}-{below}" in VALUES or below == SACRUM else None
        for above, below in zip(upwards, [last, *upwards], strict=False)
    ]
    return list(zip(upwards, discs, strict=True))


def name_in_context(value: int, present: Sequence[int]) -> str:
    """The name of a value among the values of its label map.

    Three discs share their value with the usual one; the vertebrae present tell which it is, and
    those that other discs present lie between.

    Args:
        value: one of our values.
        present: all values of the map.

    Returns:
        For example `L6-S1` for 100 when L6 is present.

    Raises:
        KeyError: the value has no meaning.
    """
    shown = {NAMES.get(other) for other in present}
    if value == LAST_DISC:
        if shown & {"L6", "L5-L6"}:
            return "L6-S1"
        if "L4" in shown and not shown & {"L5", "L4-L5"}:
            return "L4-S1"
    if value == VALUES["T12-L1"] and "T11" in shown and not shown & {"T12", "T11-T12"}:
        return "T11-L1"
    return NAMES[value]


def scheme_names() -> tuple[str, ...]:
    """The label schemes that can be asked for, `spinekit` first."""
    folder = resources.files("spinekit.anatomy") / "schemes"
    found = sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".toml"))
    return ("spinekit", *(name for name in found if name != "spinekit"))


def load_scheme(name: str) -> Scheme:
    """Read a label scheme that ships with the package.

    Args:
        name: one of scheme_names().

    Returns:
        The scheme.

    Raises:
        UsageError: no scheme bears the name.
    """
    if name not in scheme_names():
        known = ", ".join(scheme_names())
        raise UsageError(
            "unknown-scheme", f"no label scheme is called {name!r}", f"choose one of {known}"
        )
    folder = resources.files("spinekit.anatomy") / "schemes"
    content = tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))
    bottom_up = content.get("bottom_up", {})
    return Scheme(
        name=name,
        description=content["description"],
        source=content["source"],
        values={key: int(value) for key, value in content.get("values", {}).items()},
        bottom_up_vertebra=bottom_up.get("vertebra"),
        bottom_up_disc=bottom_up.get("disc"),
        bottom_up_partial=bottom_up.get("partial"),
    )

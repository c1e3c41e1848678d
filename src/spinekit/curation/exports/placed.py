"""What this program put into a layout's folder: a list there says which files, and of which pair.

A file that is not listed, or is not as it was put there, is a person's: it is kept, and told. What
is listed, as it was, and no longer wanted goes. It knows files and names of pairs, no layout.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from spinekit.curation.exports.listed import LIST, read_list, stamp_of
from spinekit.curation.exports.task import Plan, Task
from spinekit.curation.prepared import put_file
from spinekit.io.reading import hash_files
from spinekit.io.writing import output_errors, write_json


class Content(Protocol):
    """What a file is made of."""

    @property
    def source(self) -> Path:
        """The file of the set that it is made from."""

    def write(self, target: Path) -> None:
        """Write it, whole or not at all.

        Raises:
            SpineKitError: The source cannot be read, or the target not be written.
        """

    def is_in(self, target: Path) -> bool:
        """Whether a file holds just this; False too where one of the two cannot be read."""


@dataclass(frozen=True)
class Copy:
    """The same bytes."""

    source: Path
    share: bool = False
    """Both names may be one file."""

    def write(self, target: Path) -> None:
        """Put it there."""
        put_file(self.source, target, share=self.share)

    def is_in(self, target: Path) -> bool:
        """Whether the bytes are the same."""
        try:
            if os.path.samefile(self.source, target):
                return True
            if self.source.stat().st_size != target.stat().st_size:
                return False
            return hash_files([self.source]) == hash_files([target])
        except OSError:
            return False


@dataclass(frozen=True)
class Place:
    """Where a file of a pair is wanted."""

    path: str
    """Within the folder, with `/`."""
    content: Content
    former: str = ""
    """Where it lies if the pair was in another part before; it must not stay there."""


class State(Enum):
    """What lies at a path, for a pair that wants it."""

    MISSING = "nothing"
    LISTED = "ours, as it is wanted"
    OURS = "ours, as it is wanted, and not listed so"
    OUTDATED = "ours, of another pair or of what the pair was before"
    THEIRS = "a person's"


class Placing:
    """One run over a layout's folder, from what lies there to a plan.

    Attributes:
        plan: What has come of it so far.
    """

    def __init__(self, root: Path) -> None:
        """Begin.

        Args:
            root: The folder, which need not be there.
        """
        self.plan = Plan()
        self._root = root
        told = read_list(root)
        self._rows = told["files"]
        self._list_begun(told["begun"])
        self._paths: dict[str, list[str]] = {}
        for path, row in self._rows.items():
            self._paths.setdefault(row["pair"], []).append(path)
        self._begun: dict[str, dict[str, Any]] = {}
        self._used: set[str] = set()
        self._gone: set[str] = set()
        self._seen: dict[tuple[str, str], State] = {}

    def _list_begun(self, begun: Mapping[str, dict[str, Any]]) -> None:
        """List what a run that was ended put there: it has the time of what it was made from."""
        for pair, run in begun.items():
            for path, source in run["files"].items():
                stamp = stamp_of(self._root / path)
                is_known = stamp == self._rows.get(path, {}).get("stamp")
                if stamp and stamp[1:] == source[1:] and not is_known:
                    row = {"pair": pair, "sha256": "", "stamp": stamp, "source": source}
                    self._rows[path] = row

    def paths_of(self, pair: str) -> list[str]:
        """Paths that are listed for a pair."""
        return self._paths.get(pair, [])

    def look(self, path: str, pair: str, content: Content) -> State:
        """Tell what lies at a path, for a pair that wants this content there."""
        if (path, pair) not in self._seen:
            self._seen[path, pair] = self._look(path, pair, content)
        return self._seen[path, pair]

    def _look(self, path: str, pair: str, content: Content) -> State:
        if not os.path.lexists(self._root / path):
            return State.MISSING
        row = self._rows.get(path, {})
        is_wanted = row.get("pair") == pair and row.get("source") == stamp_of(content.source)
        if row and row.get("stamp") == stamp_of(self._root / path):
            return State.LISTED if is_wanted else State.OUTDATED
        if self._is_unchanged(path):
            return State.OURS if is_wanted else State.OUTDATED
        return State.OURS if content.is_in(self._root / path) else State.THEIRS

    def holds_theirs(self, pair: str, places: Sequence[Place]) -> bool:
        """Whether a file of a pair, in its place or its former one, is a person's."""
        return any(
            self.look(path, pair, place.content) is State.THEIRS
            for place in places
            for path in (place.path, place.former)
            if path
        )

    def put(self, pair: str, places: Sequence[Place]) -> None:
        """Plan the files of a pair.

        A pair of which a person changed a file stays as it is, so that image and labels fit; what
        lies in its former places goes along with such a file there.
        """
        theirs, formers = self._find_theirs(pair, places)
        self._used |= {place.path for place in places}
        if theirs and formers:
            self._used |= {place.former for place in places}
            self._tell_both(pair, theirs, formers)
            return
        for path in theirs:
            self._tell_kept(pair, path)
        for former, path in formers.items():
            self._tell(pair, f"{former} was changed there, and is kept as {path}")
        is_kept = bool(theirs or formers)
        moves, writes, ours = [], [], {}
        for place in places:
            state = self.look(place.path, pair, place.content)
            source = stamp_of(place.content.source)
            if formers and self._is_there(place.former):
                moves.append((place.former, place.path))
                state, source = self._follow(pair, place, source)
            elif self._is_there(place.former):
                self._gone.add(place.former)
            if state is State.MISSING or (state is State.OUTDATED and not is_kept):
                writes.append(place)
                state = State.OURS
            if state in (State.LISTED, State.OURS):
                ours[place.path] = source
        self._begun[pair] = {"kept": is_kept, "files": ours}
        self.plan.tasks.append(Task(pair, place_files, (self._root, moves, writes)))

    def _find_theirs(self, pair: str, places: Sequence[Place]) -> tuple[list[str], dict[str, str]]:
        """A person's files in the places, and in the former ones with the place of each."""
        theirs = [p.path for p in places if self.look(p.path, pair, p.content) is State.THEIRS]
        formers = {
            p.former: p.path
            for p in places
            if p.former and self.look(p.former, pair, p.content) is State.THEIRS
        }
        return theirs, formers

    def drop(self, places: Sequence[Place]) -> None:
        """Give up the files of a pair, of which none is a person's."""
        paths = {path for place in places for path in (place.path, place.former)}
        self._gone |= {path for path in paths if self._is_there(path)}

    def close(self, patterns: Sequence[str]) -> Plan:
        """Remove what is no longer wanted, and write down what the plan will put there.

        Args:
            patterns: Of files which, where this program did not put them, are to be told.

        Returns:
            The plan.

        Raises:
            OutputError: The folder cannot be written.
        """
        self._give_up_others()
        known = self._used | self._gone | set(self._rows)
        for path in sorted({file for pattern in patterns for file in self._root.glob(pattern)}):
            inside = path.relative_to(self._root).as_posix()
            if inside not in known and not path.name.startswith("."):
                self._tell(inside, "it is not listed as put there, and is kept")
        for gone in self._gone - self._used:
            _remove(self._root / gone)
            _remove_empty(self._root, gone)
            self._rows.pop(gone, None)
        write_json(self._root / LIST, {"files": self._rows, "begun": self._begun})
        return self.plan

    def _give_up_others(self) -> None:
        """Let listed pairs go that are not planned, whole; where a file was changed, none of it."""
        others: dict[str, list[str]] = {}
        for path, row in self._rows.items():
            if path not in self._used | self._gone:
                others.setdefault(row["pair"], []).append(path)
        for pair, paths in others.items():
            there = [path for path in paths if self._is_there(path)]
            changed = [path for path in there if not self._is_unchanged(path)]
            left = "" if pair in self._begun else " though its pair has left"
            for path in changed:
                self._tell(pair, f"{path} was changed there, and is kept{left}")
            if not changed:
                self._gone.update(there)

    def _follow(self, pair: str, place: Place, source: list[int]) -> tuple[State, list[int]]:
        """What a file that goes along will be in its place, and what it was made from."""
        self._used.add(place.former)
        state = self.look(place.former, pair, place.content)
        if state is State.THEIRS:  # no checksum: what lies there is changed, but has its place
            self._rows.setdefault(place.path, {"pair": pair, "sha256": ""})
        if state is not State.OUTDATED:
            return state, source
        return State.OURS, self._rows[place.former].get("source", [])

    def _is_there(self, path: str) -> bool:
        return bool(path) and os.path.lexists(self._root / path)

    def _is_unchanged(self, path: str) -> bool:
        """Whether a file is listed, and as it was put there."""
        row = self._rows.get(path)
        if row is None:
            return False
        if row.get("stamp") == stamp_of(self._root / path):
            return True
        try:
            return bool(row["sha256"] == hash_files([self._root / path]))
        except OSError:
            return False

    def _tell(self, name: str, reason: str) -> None:
        self.plan.left_out.append({"name": name, "reason": reason})

    def _tell_kept(self, pair: str, path: str) -> None:
        """A person's file in a place that a pair wants."""
        if path in self._rows:
            self._tell(pair, f"{path} was changed there, and is kept")
        else:
            self._tell(pair, f"{path} is not listed as put there, and is kept")

    def _tell_both(self, pair: str, theirs: Sequence[str], formers: Mapping[str, str]) -> None:
        """Two persons' files of one pair: which of them counts is not ours to say."""
        paths = [PurePosixPath(path) for path in sorted((*theirs, *formers))]
        reason = f"{' and '.join(map(str, paths))} were changed"
        if len({path.name for path in paths}) == 1:
            folders = " and ".join(str(path.parent) for path in paths)
            reason = f"{paths[0].name} was changed under {folders}"
        self._tell(pair, f"{reason}; remove one of them")


def place_files(root: Path, moves: Sequence[tuple[str, str]], writes: Sequence[Place]) -> None:
    """Put the files of a pair where they are wanted.

    Args:
        root: Folder of the layout.
        moves: From where to where a pair that a person changed goes.
        writes: Files to write.

    Raises:
        SpineKitError: A file cannot be read or written.
    """
    for former, path in moves:
        with output_errors(root / path):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / former).replace(root / path)
    for place in writes:
        place.content.write(root / place.path)


def list_placed(root: Path, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Write the list of what now lies in a layout's folder.

    A pair that failed is removed, unless a person changed a file of it: half of it, or an old
    half, would be trained on.

    Args:
        root: The folder, for which `Placing.close` was called.
        names: Of the pairs whose tasks were done.

    Returns:
        Path within the folder → row of the list.

    Raises:
        OutputError: The folder cannot be written.
    """
    told, done = read_list(root), set(names)
    rows = told["files"]
    for pair, begun in told["begun"].items():
        for path, source in begun["files"].items():
            if pair in done:
                rows[path] = _row(root / path, rows.get(path, {}), pair, source)
            elif not begun["kept"]:
                _remove(root / path)
    rows = {path: row for path, row in sorted(rows.items()) if os.path.lexists(root / path)}
    write_json(root / LIST, {"files": rows, "begun": {}})
    return rows


def _row(path: Path, former: dict[str, Any], pair: str, source: list[int]) -> dict[str, Any]:
    """What to list of a file; it is read only where it is not the one that was listed."""
    row = {"pair": pair, "stamp": stamp_of(path), "source": source}
    if former.get("sha256") and {key: former.get(key) for key in row} == row:
        return former
    with output_errors(path):
        return row | {"sha256": hash_files([path])}


def _remove(path: Path) -> None:
    with output_errors(path):
        path.unlink(missing_ok=True)


def _remove_empty(root: Path, path: str) -> None:
    """Remove the folders within `root` that held nothing but a file that is gone."""
    for folder in PurePosixPath(path).parents:
        if folder.name:
            with contextlib.suppress(OSError):
                (root / folder).rmdir()

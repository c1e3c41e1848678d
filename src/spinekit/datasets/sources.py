"""Where the files of a set are had: an archive's record, a repository, or a person who is asked.

It knows addresses; the lists behind them, with sizes and checksums, are asked of the archive itself
when a download is wanted, and never written down here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Zenodo:
    """Records of zenodo.org."""

    records: tuple[str, ...]
    wanted: tuple[str, ...] = ("*",)
    """Patterns of file names."""

    @property
    def summary(self) -> str:
        """In a few words."""
        return "download (Zenodo)"


@dataclass(frozen=True)
class Osf:
    """Projects of osf.io with all their folders."""

    nodes: tuple[str, ...]
    view_only: str | None = None
    """Key of a published read-only link."""
    wanted: tuple[str, ...] = ("*",)
    """Patterns of paths."""

    @property
    def summary(self) -> str:
        """In a few words."""
        return "download (OSF)"


@dataclass(frozen=True)
class GitAnnex:
    """A GitHub repository whose large files lie in a public store under their git-annex keys."""

    repository: str
    """`owner/name`."""
    store: str
    """Address in front of a key."""
    wanted: tuple[str, ...] = ("*",)
    """Patterns of paths in the repository."""

    @property
    def summary(self) -> str:
        """In a few words."""
        return "download (GitHub, git-annex)"


@dataclass(frozen=True)
class Web:
    """Files at fixed addresses that publish no checksum."""

    urls: tuple[str, ...]

    @property
    def summary(self) -> str:
        """In a few words."""
        return "download"


@dataclass(frozen=True)
class Form:
    """Files that a person must fetch: given out on request, or behind a page of unknown form."""

    how: str
    """What to do, where, and which files come."""
    summary: str = "on request"
    """In a few words."""


@dataclass(frozen=True)
class Own:
    """Nothing to fetch: the files are one's own, or made by a command."""

    how: str

    @property
    def summary(self) -> str:
        """In a few words."""
        return "your own"


Source = Zenodo | Osf | GitAnnex | Web | Form | Own

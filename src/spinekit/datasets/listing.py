"""What an archive holds: names, sizes and checksums, asked of the archive itself.

It knows the answers' form (Zenodo's records, OSF's folders, git-annex keys, a mirror's list), not
how bytes travel.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import PurePosixPath
from typing import Any

from spinekit.core.errors import InputError
from spinekit.datasets.sources import GitAnnex, Osf, Web, Zenodo
from spinekit.io.transfer import RemoteFile, at_mirror, read_json

ZENODO = "https://zenodo.org/api/records/{record}"
OSF = "https://api.osf.io/v2/nodes/{node}/files/osfstorage/"
GITHUB = "https://github.com/{repository}/archive/HEAD.zip"
REPOSITORY = "repository.zip"
"""Name under which a GitHub repository is kept while its large files come."""
MANIFEST = "spinekit-files.json"
"""What `get` leaves beside the files; a folder that has it can serve as a mirror."""

_KEY = re.compile(r"(SHA256E?|MD5E?)-s(\d+)--([0-9a-f]+)(\.[A-Za-z0-9.]+)?")


def list_zenodo(source: Zenodo) -> list[RemoteFile]:
    """Files of records, by Zenodo's API.

    Raises:
        InputError: The API does not answer, or its answer lists nothing wanted.
    """
    found = []
    for record in source.records:
        url = ZENODO.format(record=record)
        for item in _field(read_json(url), "files", url):
            found.append(
                RemoteFile(
                    name=str(_field(item, "key", url)),
                    url=str(_field(_field(item, "links", url), "self", url)),
                    size=int(_field(item, "size", url)),
                    checksum=item.get("checksum"),
                )
            )
    return _wanted(found, source.wanted, f"Zenodo {', '.join(source.records)}")


def list_osf(source: Osf) -> list[RemoteFile]:
    """Files of projects and all their folders, by OSF's API, page by page.

    Raises:
        InputError: As for `list_zenodo`.
    """
    found: list[RemoteFile] = []
    ask = f"?view_only={source.view_only}" if source.view_only else ""
    pages = [OSF.format(node=node) + ask for node in source.nodes]
    while pages:
        url = pages.pop(0)
        answer = read_json(url)
        following = (answer.get("links") or {}).get("next")
        if following:
            pages.append(following)
        for item in _field(answer, "data", url):
            facts = _field(item, "attributes", url)
            if facts.get("kind") == "folder":
                link = item["relationships"]["files"]["links"]["related"]["href"]
                pages.append(link if "view_only" in link else link + ask)
                continue
            hashes = (facts.get("extra") or {}).get("hashes") or {}
            kind = next((kind for kind in ("sha256", "md5") if hashes.get(kind)), None)
            found.append(
                RemoteFile(
                    name=str(facts.get("materialized_path") or facts["name"]).lstrip("/"),
                    url=item["links"]["download"] + ask,
                    size=facts.get("size"),
                    checksum=f"{kind}:{hashes[kind]}" if kind else None,
                )
            )
    return _wanted(found, source.wanted, f"OSF {', '.join(source.nodes)}")


def list_web(source: Web) -> list[RemoteFile]:
    """Files at fixed addresses, named by their last part."""
    return [RemoteFile(url.rstrip("/").rsplit("/", 1)[-1], url) for url in source.urls]


def list_repository(source: GitAnnex) -> list[RemoteFile]:
    """The archive of a repository's small files, which names the large ones."""
    return [RemoteFile(REPOSITORY, GITHUB.format(repository=source.repository))]


def list_annexed(source: GitAnnex, links: dict[str, str]) -> list[RemoteFile]:
    """Large files of a git-annex repository, by the keys its links or pointers name.

    Args:
        source: The repository.
        links: Path in the repository's archive to what its link or pointer file says.

    Returns:
        Files with the size and checksum their key holds. Empty when nothing matches.
    """
    found = []
    for path, target in sorted(links.items()):
        key = _KEY.search(target)
        inside = path.partition("/")[2]
        is_wanted = any(fnmatch(inside, pattern) for pattern in source.wanted)
        if key is None or not safe(inside) or not is_wanted:
            continue
        found.append(
            RemoteFile(
                name=inside,
                url=f"{source.store.rstrip('/')}/{key.group(0)}",
                size=int(key.group(2)),
                checksum=f"{key.group(1).lower().removesuffix('e')}:{key.group(3)}",
            )
        )
    return found


def list_mirror(name: str, mirror: str) -> list[RemoteFile]:
    """Files of a set at a mirror, by the list that `get` left there.

    Raises:
        InputError: The mirror has no such list, or no file of this set in it.
    """
    listed = at_mirror(RemoteFile(MANIFEST, ""), mirror)
    content = read_json(listed.url)
    of_set = _field(content, "dataset", listed.url)
    if of_set != name or not _field(content, "files", listed.url):
        raise InputError(
            "download-missing",
            f"{listed.url} lists {f'files of {of_set}' if of_set != name else 'no file'}",
            f"give a folder that `spinekit data get {name} --keep` filled",
        )
    return [
        at_mirror(
            RemoteFile(
                str(_field(item, "name", listed.url)), "", item.get("size"), item.get("checksum")
            ),
            mirror,
        )
        for item in _field(content, "files", listed.url)
        if safe(str(item.get("name", "")))
    ]


def safe(name: str) -> bool:
    """Whether a name stays below the folder it is put into."""
    path = PurePosixPath(name.replace("\\", "/"))
    return bool(name) and not path.is_absolute() and ".." not in path.parts


def _wanted(found: Iterable[RemoteFile], patterns: tuple[str, ...], where: str) -> list[RemoteFile]:
    """Those that match; the same name of two records goes into a folder each."""
    chosen: dict[str, RemoteFile] = {}
    for remote in found:
        if safe(remote.name) and any(fnmatch(remote.name, pattern) for pattern in patterns):
            name = remote.name
            number = 2
            while name in chosen:
                name = f"{number}/{remote.name}"
                number += 1
            chosen[name] = replace(remote, name=name)
    if not chosen:
        raise InputError(
            "download-missing", f"{where} lists no file that is wanted", "see the set's homepage"
        )
    return list(chosen.values())


def _field(content: Any, key: str, url: str) -> Any:
    if not isinstance(content, dict) or key not in content:
        raise InputError(
            "download-missing",
            f"{url}: the answer has no {key!r}",
            "see the set's homepage; --from takes files you fetched yourself",
        )
    return content[key]

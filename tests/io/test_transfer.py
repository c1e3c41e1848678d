import hashlib
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from spinekit.core.errors import InputError
from spinekit.io import transfer
from spinekit.io.transfer import RemoteFile, at_mirror, fetch, read_json
from web import Site, served

CONTENT = bytes(range(256)) * 400


@pytest.fixture
def site() -> Iterator[Site]:
    with served() as one:
        yield one


@pytest.fixture
def remote(site: Site) -> RemoteFile:
    return RemoteFile(
        "a/scan.nii.gz",
        site.put("/scan", CONTENT),
        len(CONTENT),
        f"md5:{hashlib.md5(CONTENT).hexdigest()}",
    )


def get(remote: RemoteFile, folder: Path) -> tuple[bytes, int]:
    """Content, and the bytes reported."""
    seen: list[int] = []
    path = fetch(remote, folder, seen.append, pause_s=0.0)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    return path.read_bytes(), sum(seen)


def test_a_file_comes_whole_and_is_not_asked_for_again(
    site: Site, remote: RemoteFile, tmp_path: Path
) -> None:
    assert get(remote, tmp_path) == (CONTENT, len(CONTENT))
    assert get(remote, tmp_path) == (CONTENT, len(CONTENT))
    assert len(site.asked) == 1


@pytest.mark.parametrize("sized", [True, False])
@pytest.mark.parametrize("with_length", [True, False])
def test_a_broken_answer_is_gone_on_with(
    site: Site, remote: RemoteFile, tmp_path: Path, sized: bool, with_length: bool
) -> None:
    # Without any length, only the checksum tells that something is missing.
    site.break_after = [1000, 2000]
    site.with_length = with_length
    if not sized:
        remote = replace(remote, size=None)

    if sized or with_length:
        assert get(remote, tmp_path) == (CONTENT, len(CONTENT))
        assert [wanted for _, wanted in site.asked] == [None, "bytes=1000-", "bytes=3000-"]
    else:
        with pytest.raises(InputError, match="instead of md5:"):
            get(remote, tmp_path)
        assert list(tmp_path.rglob("*scan*")) == []


@pytest.mark.parametrize(
    "trouble", [ssl.SSLError(1, "bad record mac"), OSError(113, "No route to host")]
)
def test_a_connection_that_fails_in_any_way_is_gone_on_with(
    site: Site,
    remote: RemoteFile,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trouble: OSError,
) -> None:
    whole = transfer._blocks
    fails = [True]

    def blocks(stream: object) -> Iterator[bytes]:
        yield from ([stream.read(1000)] if fails else whole(stream))
        if fails:
            fails.clear()
            stream.close()
            raise trouble

    monkeypatch.setattr(transfer, "_blocks", blocks)

    assert get(remote, tmp_path) == (CONTENT, len(CONTENT))
    assert [wanted for _, wanted in site.asked] == [None, "bytes=1000-"]


def test_an_interrupted_run_is_gone_on_with(
    site: Site, remote: RemoteFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.break_after = [5000]
    monkeypatch.setattr(transfer, "TRIES", 1)
    with pytest.raises(InputError, match="goes on where it stopped"):
        get(remote, tmp_path)

    assert get(remote, tmp_path) == (CONTENT, len(CONTENT))
    assert site.asked[-1][1] == "bytes=5000-"


def test_another_version_is_begun_anew(
    site: Site, remote: RemoteFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = site.put("/scan", b"old" * 5000)
    site.break_after = [5000]
    monkeypatch.setattr(transfer, "TRIES", 1)
    with pytest.raises(InputError):
        get(RemoteFile("a/scan.nii.gz", old), tmp_path)
    site.put("/scan", CONTENT)
    site.etag = '"v2"'

    assert get(remote, tmp_path) == (CONTENT, len(CONTENT))


def test_a_server_without_tags_is_found_out_by_the_checksum(
    site: Site, remote: RemoteFile, tmp_path: Path
) -> None:
    site.etag = None
    part = tmp_path / "a" / ".scan.nii.gz.part"
    part.parent.mkdir()
    part.write_bytes(b"something else")

    assert get(remote, tmp_path) == (CONTENT, len(CONTENT))
    assert [wanted for _, wanted in site.asked] == ["bytes=14-", None]


def test_a_server_without_ranges_sends_all_again(
    site: Site, remote: RemoteFile, tmp_path: Path
) -> None:
    site.ranges = False
    site.break_after = [1000]

    assert get(remote, tmp_path) == (CONTENT, len(CONTENT))


def test_a_part_that_is_complete_is_only_checked(
    site: Site, remote: RemoteFile, tmp_path: Path
) -> None:
    part = tmp_path / "a" / ".scan.nii.gz.part"
    part.parent.mkdir()
    part.write_bytes(CONTENT)

    assert get(remote, tmp_path) == (CONTENT, len(CONTENT))
    assert site.asked == []

    (tmp_path / "a" / "scan.nii.gz").rename(part)
    assert get(replace(remote, size=None), tmp_path)[0] == CONTENT
    assert site.asked == [("/scan", f"bytes={len(CONTENT)}-")]


@pytest.mark.parametrize("wrong", [{"checksum": "sha256:00"}, {"size": 7}])
def test_what_was_not_promised_is_deleted(remote: RemoteFile, tmp_path: Path, wrong: dict) -> None:
    with pytest.raises(InputError) as caught:
        get(replace(remote, **wrong), tmp_path)

    assert caught.value.code in ("checksum-mismatch", "download-failed")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ([404], "download-missing"),
        ([410], "download-missing"),
        ([403], "download-forbidden"),
        ([401], "download-forbidden"),
        ([503] * 5, "download-failed"),
    ],
)
def test_refusals_are_told_apart(
    site: Site, remote: RemoteFile, tmp_path: Path, statuses: list[int], code: str
) -> None:
    site.statuses = statuses

    with pytest.raises(InputError) as caught:
        get(remote, tmp_path)

    assert caught.value.code == code
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_busy_server_is_asked_again(site: Site, remote: RemoteFile, tmp_path: Path) -> None:
    site.statuses = [503, 429, 500]

    assert get(remote, tmp_path) == (CONTENT, len(CONTENT))


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="refused"):
        get(RemoteFile("a", "http://127.0.0.1:9/a"), tmp_path)
    with pytest.raises(InputError, match="no web address"):
        get(RemoteFile("a", "ftp://127.0.0.1/a"), tmp_path)


def test_a_proxy_is_taken_from_the_environment(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.put("http://archive.invalid/scan", CONTENT)
    monkeypatch.setenv("http_proxy", site.url)
    monkeypatch.setenv("no_proxy", "")

    assert get(RemoteFile("scan", "http://archive.invalid/scan"), tmp_path)[0] == CONTENT
    assert site.asked == [("http://archive.invalid/scan", None)]


def test_a_mirror_is_a_folder_or_an_address(site: Site, remote: RemoteFile, tmp_path: Path) -> None:
    disk = tmp_path / "my disk"
    (disk / "a").mkdir(parents=True)
    (disk / "a" / "scan.nii.gz").write_bytes(CONTENT)
    site.put("/m%20x/a/scan.nii.gz", CONTENT)

    assert get(at_mirror(remote, str(disk)), tmp_path / "1")[0] == CONTENT
    assert get(at_mirror(remote, f"{site.url}/m%20x/"), tmp_path / "2")[0] == CONTENT
    with pytest.raises(InputError, match="No such file"):
        get(at_mirror(replace(remote, name="b"), str(disk)), tmp_path / "3")


def test_json_is_read_or_refused(site: Site) -> None:
    site.statuses = [503]
    site.break_after = [3]

    assert read_json(site.put("/a", '{"n": 1}')) == {"n": 1}
    assert len(site.asked) == 3
    with pytest.raises(InputError, match="no JSON"):
        read_json(site.put("/b", "<html>"))

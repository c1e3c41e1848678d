import io
import json
import os
import platform
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from spinekit.core.errors import InputError, OutputError
from spinekit.io import archives
from spinekit.io.archives import is_archive, links, unpack
from spinekit.io.staging import LOCK, PREFIX


def zipped(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def tarred(path: Path, files: dict[str, str]) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix != ".tar" else "w") as archive:
        for name, text in files.items():
            item = tarfile.TarInfo(name)
            item.size = len(text)
            archive.addfile(item, io.BytesIO(text.encode()))
    return path


def below(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tgz"])
def test_files_come_out_where_they_were(tmp_path: Path, name: str) -> None:
    make = zipped if name.endswith("zip") else tarred
    files = {"images/1.mha": "one", "images/2.mha": "two", "x.csv": "three"}
    archive = make(tmp_path / name, files | {"__MACOSX/x": "no", "images/.DS_Store": "no"})
    out = tmp_path / "out"
    out.mkdir()
    (out / "x.csv").write_text("old")
    seen: list[int] = []

    assert is_archive(archive)
    assert len(unpack(archive, out, seen.append)) == 3
    assert below(out) == files
    assert sum(seen) == 11


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "C:/x"])
@pytest.mark.parametrize("make", [zipped, tarred])
def test_a_name_that_leads_out_is_refused(tmp_path: Path, name: str, make: object) -> None:
    ending = "zip" if make is zipped else "tgz"
    archive = make(tmp_path / f"a.{ending}", {"good": "1", name: "2"})  # type: ignore[operator]

    with pytest.raises(InputError) as caught:
        unpack(archive, tmp_path / "out")

    assert caught.value.code == "archive-unsafe"
    assert below(tmp_path / "out") == {}


def test_links_are_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        item = tarfile.TarInfo("link")
        item.type, item.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(item)
    assert len(unpack(path, tmp_path / "out")) == 0

    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("repo/scan.nii.gz")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "../.git/annex/objects/KEY")
        archive.writestr("repo/plain", "text")
    assert links(path) == {"repo/scan.nii.gz": "../.git/annex/objects/KEY"}
    assert len(unpack(path, tmp_path / "out")) == 1
    assert not os.path.lexists(tmp_path / "out/repo/scan.nii.gz")


def test_a_damaged_archive_leaves_nothing(tmp_path: Path) -> None:
    whole = tarred(tmp_path / "a.tgz", {"x": "1" * 5000}).read_bytes()
    (tmp_path / "short.tgz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "not.zip").write_bytes(b"PK no")
    packed = bytearray(zipped(tmp_path / "b.zip", {"x": "abc" * 500}).read_bytes())
    packed[45] ^= 255
    (tmp_path / "flipped.zip").write_bytes(bytes(packed))

    for name in ("short.tgz", "not.zip", "flipped.zip"):
        with pytest.raises(InputError, match=name) as caught:
            unpack(tmp_path / name, tmp_path / "out")
        assert caught.value.code == "archive-damaged"
        assert not (tmp_path / "out").exists()
    with pytest.raises(InputError):
        links(tmp_path / "not.zip")


def test_what_no_longer_agrees_with_its_checksum_is_damaged(tmp_path: Path) -> None:
    path = tarred(tmp_path / "a.tgz", {"x": "1" * 5000})
    packed = bytearray(path.read_bytes())
    packed[-8] ^= 255  # within the checksum
    path.write_bytes(bytes(packed))

    with pytest.raises(InputError, match=r"a\.tgz") as caught:
        unpack(path, tmp_path / "out")
    assert caught.value.code == "archive-damaged"


def test_an_archive_with_a_password_is_told(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"x": "abc"})
    packed = bytearray(path.read_bytes())
    packed[6] |= 1
    packed[packed.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(packed))

    with pytest.raises(InputError, match=r"a\.zip: needs a password"):
        unpack(path, tmp_path / "out")
    assert below(tmp_path / "out") == {}


def test_an_archive_that_does_not_fit_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = zipped(tmp_path / "a.zip", {"x": "123456"})
    usage = archives.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: usage._replace(free=5))

    with pytest.raises(OutputError, match="free"):
        unpack(archive, tmp_path / "out")


def test_of_several_files_of_one_name_the_last_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    for text in ("old", "new"):
        (tmp_path / "a.txt").write_text(text)
        with tarfile.open(path, "a") as tar:
            tar.add(tmp_path / "a.txt", "set/a.txt")

    assert unpack(path, tmp_path / "out") == [PurePosixPath("set/a.txt")]
    assert (tmp_path / "out" / "set" / "a.txt").read_text() == "new"


def test_what_a_killed_run_left_is_cleared_away(tmp_path: Path) -> None:
    left = tmp_path / "out" / f"{PREFIX}left"
    left.mkdir(parents=True)
    (left / LOCK).write_text(json.dumps({"host": platform.node(), "process": 2**30}))
    (left / "half.nii.gz").touch()
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.txt", "a")

    unpack(path, tmp_path / "out")

    assert [found.name for found in (tmp_path / "out").iterdir()] == ["a.txt"]


@pytest.mark.parametrize("name", [".complete", ".in-use", "files"])
def test_names_of_the_hidden_folder_are_free_for_files_of_an_archive(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(name, "a")
        file.writestr("a.txt", "a")

    unpack(path, tmp_path / "out")

    assert sorted(found.name for found in (tmp_path / "out").iterdir()) == sorted([name, "a.txt"])
    assert (tmp_path / "out" / name).read_text() == "a"


def test_of_a_refused_archive_nothing_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name in (".complete", "a.txt", "../evil"):
            file.writestr(name, "a")

    with pytest.raises(InputError, match="evil"):
        unpack(path, tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_names_of_another_archive_are_refused_and_nothing_changes(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.txt", "second")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").write_text("first")

    with pytest.raises(InputError, match=r"another archive held a\.txt too"):
        unpack(path, tmp_path / "out", refused={PurePosixPath("a.txt")})

    assert (tmp_path / "out" / "a.txt").read_text() == "first"


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("take", [lambda path: unpack(path, path.parent / "out"), links])
def test_damage_is_the_archives_whatever_packed_it(
    tmp_path: Path, packing: int, take: Callable[[Path], object]
) -> None:
    content, archive = os.urandom(20000), tmp_path / "a.zip"
    link = zipfile.ZipInfo("x/a.bin")
    is_link = take is links
    link.external_attr = (0o120777 if is_link else 0o100644) << 16
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(link, content, packing)
    damaged = bytearray(archive.read_bytes())
    damaged[2000:2020] = bytes(20)
    archive.write_bytes(damaged)

    with pytest.raises(InputError) as caught:
        take(archive)

    assert caught.value.code == "archive-damaged"
    assert "a.zip" in caught.value.message
    assert not (tmp_path / "out").exists()


def test_a_zip_file_that_leads_to_before_its_beginning_is_damage(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"x": "one"})
    content = archive.read_bytes()
    at = content.index(b"PK\x05\x06") + 16
    archive.write_bytes(content[:at] + b"\xff\xff\xff\x7f" + content[at + 4 :])

    with pytest.raises(InputError) as caught:
        unpack(archive, tmp_path / "out")

    assert caught.value.code == "archive-damaged"


@pytest.mark.parametrize("name", [".", "./", ""])
def test_a_file_without_a_name_is_damage(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="has no name") as caught:
        unpack(tarred(tmp_path / "a.tar", {name: "one"}), tmp_path / "out")
    assert caught.value.code == "archive-damaged"

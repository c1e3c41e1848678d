"""Downloads against archives on the loopback that answer as the real ones do."""

import hashlib
import io
import json
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataset_layouts import LAYOUTS
from spinekit.core.errors import InputError, OutputError, UsageError
from spinekit.datasets import fetching, listing
from spinekit.datasets.fetching import Progress, fetch_dataset, take
from spinekit.datasets.listing import MANIFEST, list_annexed, list_osf, list_zenodo, safe
from spinekit.datasets.registry import DATASETS, find_cases
from spinekit.datasets.sources import GitAnnex, Osf, Zenodo
from web import Site, served


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with served() as one:
        monkeypatch.setattr(listing, "ZENODO", one.url + "/api/records/{record}")
        monkeypatch.setattr(listing, "OSF", one.url + "/v2/nodes/{node}/files/osfstorage/")
        monkeypatch.setattr(listing, "GITHUB", one.url + "/{repository}.zip")
        yield one


def zipped(folder: Path, *names: str) -> bytes:
    """Archive of these files or folders, with what macOS adds."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            for path in sorted([folder / name, *(folder / name).rglob("*")]):
                if path.is_file():
                    archive.write(path, path.relative_to(folder))
        archive.writestr("__MACOSX/._x", "")
    return content.getvalue()


def on_zenodo(site: Site, record: str, files: dict[str, bytes]) -> None:
    site.put(
        f"/api/records/{record}",
        json.dumps(
            {
                "id": int(record),
                "files": [
                    {
                        "key": name,
                        "size": len(content),
                        "checksum": f"md5:{hashlib.md5(content).hexdigest()}",
                        "links": {"self": site.put(f"/{record}/{name}/content", content)},
                    }
                    for name, content in files.items()
                ],
            }
        ),
    )


def spider_on_zenodo(site: Site, tmp_path: Path) -> None:
    LAYOUTS["spider"][0](tmp_path / "spider")
    on_zenodo(
        site,
        "10159290",
        {
            "images.zip": zipped(tmp_path / "spider", "images"),
            "masks.zip": zipped(tmp_path / "spider", "masks"),
            "overview.csv": (tmp_path / "spider" / "overview.csv").read_bytes(),
            "radiological_gradings.csv": b"Patient,IVD label\n",
            "thumbnail.png": b"",
        },
    )


def test_zenodo_to_cases(site: Site, tmp_path: Path) -> None:
    spider_on_zenodo(site, tmp_path)
    out = tmp_path / "out"
    total, came, said = [], [], []

    count = fetch_dataset(
        DATASETS["spider"], out, progress=Progress(total.append, came.append, said.append)
    )

    assert count == 4
    assert len(find_cases(out, "spider")) == 4
    assert sum(total) == sum(came)
    assert said == ["unpacking images.zip", "unpacking masks.zip"]
    assert not list(out.rglob("*.zip"))
    assert not list(out.rglob("thumbnail*"))
    record = json.loads((out / MANIFEST).read_text())
    assert record["licence"] == "CC BY 4.0"
    assert [note["name"] for note in record["files"]] == [
        "images.zip",
        "masks.zip",
        "overview.csv",
        "radiological_gradings.csv",
    ]
    assert record["files"][0]["checksum"].startswith("md5:")


def test_a_second_run_fetches_nothing_but_the_list(site: Site, tmp_path: Path) -> None:
    spider_on_zenodo(site, tmp_path)
    out = tmp_path / "out"
    fetch_dataset(DATASETS["spider"], out)
    site.asked.clear()

    fetch_dataset(DATASETS["spider"], out)

    assert [path for path, _ in site.asked] == ["/api/records/10159290"]


def test_an_interrupted_run_goes_on_with_the_file_it_was_at(site: Site, tmp_path: Path) -> None:
    spider_on_zenodo(site, tmp_path)
    out = tmp_path / "out"
    broken = site.pages.pop("/10159290/masks.zip/content")
    with pytest.raises(InputError, match="404"):
        fetch_dataset(DATASETS["spider"], out)
    assert (out / "images" / "1_t1.mha").is_file()
    site.pages["/10159290/masks.zip/content"] = broken
    site.asked.clear()

    fetch_dataset(DATASETS["spider"], out)

    assert "/10159290/images.zip/content" not in [path for path, _ in site.asked]
    assert len(find_cases(out, "spider")[0].masks) == 1


def test_a_file_that_changed_on_the_way_is_refused(site: Site, tmp_path: Path) -> None:
    spider_on_zenodo(site, tmp_path)
    content = bytearray(site.pages["/10159290/masks.zip/content"])
    content[100] ^= 1
    site.pages["/10159290/masks.zip/content"] = bytes(content)

    with pytest.raises(InputError) as caught:
        fetch_dataset(DATASETS["spider"], tmp_path / "out")

    assert caught.value.code == "checksum-mismatch"
    assert not (tmp_path / "out" / "masks").exists()
    assert not list((tmp_path / "out").rglob("*masks*"))


def test_what_was_kept_serves_as_a_mirror(site: Site, tmp_path: Path) -> None:
    spider_on_zenodo(site, tmp_path)
    fetch_dataset(DATASETS["spider"], tmp_path / "kept", keep=True)
    site.pages.clear()

    fetch_dataset(DATASETS["spider"], tmp_path / "disk", mirror=str(tmp_path / "kept"))
    for path in (tmp_path / "kept").iterdir():
        if path.is_file():
            site.put(f"/m/{path.name}", path.read_bytes())
    fetch_dataset(DATASETS["spider"], tmp_path / "net", mirror=f"{site.url}/m")

    for folder in ("disk", "net"):
        assert len(find_cases(tmp_path / folder, "spider")) == 4
    with pytest.raises(InputError) as caught:
        fetch_dataset(DATASETS["spider"], tmp_path / "x", mirror=str(tmp_path / "disk" / "images"))
    assert caught.value.code == "download-missing"


def test_osf_is_read_folder_by_folder_and_page_by_page(site: Site, tmp_path: Path) -> None:
    def item(name: str, content: bytes) -> dict:
        return {
            "attributes": {
                "kind": "file",
                "name": name,
                "size": len(content),
                "materialized_path": f"/data/{name}",
                "extra": {"hashes": {"sha256": hashlib.sha256(content).hexdigest()}},
            },
            "links": {"download": site.put(f"/dl/{name}?view_only=k", content).split("?")[0]},
        }

    folder = {
        "attributes": {"kind": "folder", "name": "data"},
        "relationships": {"files": {"links": {"related": {"href": f"{site.url}/sub/"}}}},
    }
    site.put(
        "/v2/nodes/n1/files/osfstorage/?view_only=k",
        json.dumps({"data": [folder], "links": {"next": None}}),
    )
    site.put(
        "/sub/?view_only=k",
        json.dumps({"data": [item("1.zip", b"a")], "links": {"next": f"{site.url}/page2"}}),
    )
    site.put("/page2", json.dumps({"data": [item("2.zip", b"bb"), item("x.txt", b"")]}))

    found = list_osf(Osf(("n1",), "k", ("*.zip",)))

    assert [(remote.name, remote.size) for remote in found] == [
        ("data/1.zip", 1),
        ("data/2.zip", 2),
    ]
    assert all(remote.checksum and remote.checksum.startswith("sha256:") for remote in found)
    assert all(remote.url.endswith("?view_only=k") for remote in found)


def test_myosegmentum_comes_as_one_archive_per_person(site: Site, tmp_path: Path) -> None:
    LAYOUTS["myosegmentum"][0](tmp_path / "set")
    source = DATASETS["myosegmentum"].source
    assert isinstance(source, Osf)
    items = []
    for number in ("01", "02"):
        content = zipped(tmp_path / "set", number)
        site.put(f"/dl/{number}?view_only={source.view_only}", content)
        items.append(
            {
                "attributes": {"kind": "file", "name": f"{number}.zip", "size": len(content)},
                "links": {"download": f"{site.url}/dl/{number}"},
            }
        )
    site.put(
        f"/v2/nodes/3j54b/files/osfstorage/?view_only={source.view_only}",
        json.dumps({"data": items, "links": {}}),
    )

    fetch_dataset(DATASETS["myosegmentum"], tmp_path / "out")

    cases = find_cases(tmp_path / "out", "myosegmentum")
    assert [len(case.masks) for case in cases] == [5, 5, 5, 5]
    record = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert all(note["checksum"].startswith("sha256:") for note in record["files"])


def test_git_annex_gives_small_files_from_github_and_large_ones_from_the_store(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    LAYOUTS["spine-generic-multi"][0](tmp_path / "set")
    content = io.BytesIO()
    large = {}
    with zipfile.ZipFile(content, "w") as archive:
        for n, path in enumerate(sorted((tmp_path / "set").rglob("*"))):
            if not path.is_file():
                continue
            name = f"data-multi-subject-0123abc/{path.relative_to(tmp_path / 'set').as_posix()}"
            if not path.name.endswith(".nii.gz"):
                archive.write(path, name)
                continue
            data = path.read_bytes()
            key = f"SHA256E-s{len(data)}--{hashlib.sha256(data).hexdigest()}.nii.gz"
            large[f"/{key}"] = data
            info = zipfile.ZipInfo(name)
            if n % 2:
                info.external_attr = (stat.S_IFLNK | 0o777) << 16
                archive.writestr(info, f"../../.git/annex/objects/aB/cD/{key}/{key}")
            else:
                archive.writestr(info, f"/annex/objects/{key}\n")
    site.put("/spine-generic/data-multi-subject.zip", content.getvalue())
    site.pages.update(large)
    entry = DATASETS["spine-generic-multi"]
    assert isinstance(entry.source, GitAnnex)
    monkeypatch.setitem(entry.source.__dict__, "store", site.url)

    fetch_dataset(entry, tmp_path / "out")
    cases = find_cases(tmp_path / "out", "spine-generic-multi")

    assert len(cases) == 4
    assert [len(case.masks) for case in cases] == [1, 4, 1, 4]
    assert cases[0].facts == {"sex": "M", "age": "30"}
    assert not (tmp_path / "out" / "sub-amu01" / "dwi").exists()
    assert not list((tmp_path / "out").glob(".spinekit*"))

    site.pages.clear()
    fetch_dataset(entry, tmp_path / "again", mirror=str(tmp_path / "out"))
    assert len(find_cases(tmp_path / "again", "spine-generic-multi")) == 4


def test_keys_of_git_annex_tell_size_and_checksum() -> None:
    source = GitAnnex("o/r", "https://store/", ("sub-*/anat/*",))
    links = {
        "r-1/sub-1/anat/a.nii.gz": ".git/annex/objects/1/2/MD5E-s7--0a.nii.gz/MD5E-s7--0a.nii.gz",
        "r-1/sub-1/dwi/b.nii.gz": "/annex/objects/SHA256E-s8--0b.nii.gz",
        "r-1/sub-1/anat/plain": "elsewhere",
    }

    (remote,) = list_annexed(source, links)

    assert (remote.name, remote.size, remote.checksum) == ("sub-1/anat/a.nii.gz", 7, "md5:0a")
    assert remote.url == "https://store/MD5E-s7--0a.nii.gz"


@pytest.mark.parametrize("answer", ["{}", "[]", '{"files": []}', '{"files": [{"key": "a"}]}'])
def test_an_answer_of_another_form_is_refused(site: Site, answer: str) -> None:
    site.put("/api/records/7", answer)

    with pytest.raises(InputError) as caught:
        list_zenodo(Zenodo(("7",)))

    assert caught.value.code == "download-missing"


def test_names_that_lead_out_are_passed_over(site: Site) -> None:
    on_zenodo(site, "7", {"good": b"1", "../bad": b"2"})

    assert [remote.name for remote in list_zenodo(Zenodo(("7",)))] == ["good"]
    assert not safe("/etc/x")
    assert not safe("")


@pytest.mark.parametrize("name", ["mrspineseg", "goldatlas", "al-khalil", "phantom", "folder"])
def test_sets_on_request_say_what_to_do(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        fetch_dataset(DATASETS[name], tmp_path / "out")

    assert caught.value.code == "not-for-download"
    assert caught.value.remedy
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_noticed_before(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spider_on_zenodo(site, tmp_path)
    usage = fetching.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda _: usage._replace(free=10))

    with pytest.raises(OutputError, match="GB are free"):
        fetch_dataset(DATASETS["spider"], tmp_path / "out")


def test_files_one_has_are_unpacked_or_copied(tmp_path: Path) -> None:
    LAYOUTS["mrspineseg"][0](tmp_path / "set")
    got = tmp_path / "got"
    got.mkdir()
    (got / "train.zip").write_bytes(zipped(tmp_path / "set", "train"))
    (got / "agreement.pdf").write_bytes(b"signed")
    (got / ".hidden").write_bytes(b"")

    assert take(DATASETS["mrspineseg"], got, tmp_path / "out") == 5
    assert take(DATASETS["mrspineseg"], tmp_path / "set", tmp_path / "out2") == 4
    assert take(DATASETS["mrspineseg"], got / "train.zip", tmp_path / "out3") == 4

    for out in ("out", "out2", "out3"):
        assert len(find_cases(tmp_path / out, "mrspineseg")) == 2
        assert (tmp_path / out / MANIFEST).is_file()
    assert (tmp_path / "out" / "agreement.pdf").read_bytes() == b"signed"
    assert not (tmp_path / "out" / ".hidden").exists()


def test_taking_from_nowhere_or_into_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    entry = DATASETS["chu"]
    for origin, out, code in (
        ("gone", "out", "file-missing"),
        ("empty", "out", "no-cases"),
        (".", "out", "out-is-input"),
    ):
        with pytest.raises(UsageError) as caught:
            take(entry, tmp_path / origin, tmp_path / out)
        assert caught.value.code == code


def test_a_file_of_the_right_size_with_other_bytes_is_fetched(site: Site, tmp_path: Path) -> None:
    spider_on_zenodo(site, tmp_path)
    fetch_dataset(DATASETS["spider"], tmp_path / "good", keep=True)
    path = next(p for p in (tmp_path / "good").iterdir() if p.suffix == ".zip")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / path.name).write_bytes(b"0" * path.stat().st_size)

    fetch_dataset(DATASETS["spider"], tmp_path / "bad", keep=True)

    assert (tmp_path / "bad" / path.name).read_bytes() == path.read_bytes()

"""Files one has already, and what of a set is there before the rest comes."""

from pathlib import Path

import pytest

from dataset_layouts import LAYOUTS
from datasets.test_fetching import zipped
from spinekit.core.errors import InputError, OutputError
from spinekit.datasets import fetching
from spinekit.datasets.fetching import Progress, fetch_dataset, take
from spinekit.datasets.registry import DATASETS, find_cases
from spinekit.io.transfer import RemoteFile


def test_files_one_has_serve_as_a_mirror_when_they_are_kept(tmp_path: Path) -> None:
    LAYOUTS["mrspineseg"][0](tmp_path / "set")
    (tmp_path / "got").mkdir()
    (tmp_path / "got" / "train.zip").write_bytes(zipped(tmp_path / "set", "train"))
    entry = DATASETS["mrspineseg"]
    take(entry, tmp_path / "got", tmp_path / "disk", keep=True)
    take(entry, tmp_path / "got", tmp_path / "lean")

    fetch_dataset(entry, tmp_path / "out", mirror=str(tmp_path / "disk"))

    assert len(find_cases(tmp_path / "out", "mrspineseg")) == 2
    for name, mirror in (("mrspineseg", "lean"), ("verse", "disk")):
        with pytest.raises(InputError, match=r"lists (no file|files of mrspineseg)"):
            fetch_dataset(DATASETS[name], tmp_path / "x", mirror=str(tmp_path / mirror))


def test_archives_that_hold_one_name_are_refused(tmp_path: Path) -> None:
    LAYOUTS["mrspineseg"][0](tmp_path / "set")
    for part in ("a", "b"):
        (tmp_path / "got" / part).mkdir(parents=True)
        (tmp_path / "got" / part / "train.zip").write_bytes(zipped(tmp_path / "set", "train"))

    with pytest.raises(InputError, match="another archive held"):
        take(DATASETS["mrspineseg"], tmp_path / "got", tmp_path / "out")


def test_what_came_of_a_file_counts_for_the_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = fetching.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda _: usage._replace(free=40))
    record = fetching._Delivery(DATASETS["spider"], tmp_path, False, Progress(), {})
    (tmp_path / ".a.zip.part").write_bytes(b"0" * 45)

    record.check_room([RemoteFile("a.zip", "", 60)])
    with pytest.raises(OutputError, match="GB are free"):
        record.check_room([RemoteFile("b.zip", "", 60)])

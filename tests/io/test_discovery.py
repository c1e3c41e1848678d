from pathlib import Path

import pytest
from pydicom.uid import BasicTextSRStorage, GrayscaleSoftcopyPresentationStateStorage

from scan_files import Slices, picture, save_object
from spinekit.core.errors import PassedOver, UsageError
from spinekit.io.discovery import find_scans, stem_of
from unprivileged import as_nobody

SMALL = Slices(picture((8, 8, 1)))


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def found(folder: Path, **options: Path) -> list[tuple[str, str, str]]:
    return [
        (scan.path.relative_to(folder).as_posix(), scan.stem, scan.relative_dir.as_posix())
        for scan in find_scans(folder, **options)
    ]


def test_a_file_is_one_scan_whatever_its_ending(tmp_path: Path) -> None:
    touch(tmp_path, "a.b.nii.gz", "odd.xyz")
    (scan,) = find_scans(tmp_path / "a.b.nii.gz")
    assert (scan.stem, scan.relative_dir) == ("a.b", Path())
    assert find_scans(tmp_path / "odd.xyz")[0].stem == "odd.xyz"


def test_folders_are_kept_and_sorted(tmp_path: Path) -> None:
    touch(tmp_path, "b.nii", "a.NII.GZ", "sub/deep/c.mha", "sub/a.nrrd", "notes.txt", "x.raw")
    assert found(tmp_path) == [
        ("a.NII.GZ", "a", "."),
        ("b.nii", "b", "."),
        ("sub/a.nrrd", "a", "sub"),
        ("sub/deep/c.mha", "c", "sub/deep"),
    ]


def test_hidden_files_segmentations_and_the_output_are_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "a.nii", ".b.nii", ".git/c.nii", "a.seg.nrrd", "out/a_dseg.nii.gz")
    assert found(tmp_path, exclude=tmp_path / "out") == [("a.nii", "a", ".")]


def test_each_folder_of_dicom_files_is_one_scan(tmp_path: Path) -> None:
    SMALL.write(tmp_path / "p1" / "t2")
    SMALL.write(tmp_path / "p1" / "t1")
    touch(tmp_path, "p1/plain.nii")
    assert found(tmp_path) == [
        ("p1/plain.nii", "plain", "p1"),
        ("p1/t1", "t1", "p1"),
        ("p1/t2", "t2", "p1"),
    ]
    assert found(tmp_path / "p1" / "t2") == [(".", "t2", ".")]


def test_dicom_folders_without_an_image_are_passed_over_beside_others(tmp_path: Path) -> None:
    save_object(tmp_path / "study" / "SR" / "report", BasicTextSRStorage)
    save_object(tmp_path / "study" / "PR" / "a.dcm", GrayscaleSoftcopyPresentationStateStorage)
    save_object(tmp_path / "study" / "mixed" / "a.dcm", BasicTextSRStorage)
    # Nothing else is there: reading them tells what is wrong.
    assert len(found(tmp_path / "study")) == 3

    SMALL.write(tmp_path / "study" / "T2")
    SMALL.write(tmp_path / "study" / "mixed", prefix="z")
    touch(tmp_path, "study/damaged/a.dcm")
    with pytest.warns(PassedOver, match="^2 DICOM folders in .*study without a scan; passed"):
        scans = found(tmp_path / "study")
    assert scans == [("T2", "T2", "."), ("damaged", "damaged", "."), ("mixed", "mixed", ".")]


def test_dicom_files_are_known_by_their_mark(tmp_path: Path) -> None:
    folder = SMALL.write(tmp_path / "a")
    next(folder.iterdir()).rename(folder / "IM0001")
    assert found(tmp_path) == [("a", "a", ".")]


@pytest.mark.parametrize("names", [("p/t2.nii", "q/t2.nii"), ("t2.nii", "t2.nii.gz")])
def test_scans_of_one_name_are_all_found(tmp_path: Path, names: tuple[str, str]) -> None:
    touch(tmp_path, *names)
    assert [name for name, _, _ in found(tmp_path)] == list(names)


def link(place: Path, to: Path | str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(to, target_is_directory=True)


def test_linked_folders_are_looked_into_where_the_link_lies(tmp_path: Path) -> None:
    touch(tmp_path, "top/b.nii", "away/deep/a.nii", "further/c.nii")
    SMALL.write(tmp_path / "series")
    link(tmp_path / "top" / "linked", "../away")
    link(tmp_path / "away" / "deep" / "on", tmp_path / "further")
    link(tmp_path / "top" / "sub" / "t2", tmp_path / "series")
    link(tmp_path / "top" / ".hidden", tmp_path / "further")

    assert found(tmp_path / "top") == [
        ("b.nii", "b", "."),
        ("linked/deep/a.nii", "a", "linked/deep"),
        ("linked/deep/on/c.nii", "c", "linked/deep/on"),
        ("sub/t2", "t2", "sub"),
    ]
    link(tmp_path / "way", "top")
    assert len(found(tmp_path / "way")) == 4


def test_each_folder_is_looked_into_once_by_the_way_without_links(tmp_path: Path) -> None:
    touch(tmp_path, "top/real/x.nii", "away/in/y.nii")
    for name, to in [("a", "real"), ("b", "../away/in"), ("c", "../away"), ("d", "../away/in")]:
        link(tmp_path / "top" / name, to)

    assert found(tmp_path / "top") == [("b/y.nii", "y", "b"), ("real/x.nii", "x", "real")]


def test_links_that_lead_in_a_circle_end(tmp_path: Path) -> None:
    touch(tmp_path, "around/top/sub/a.nii", "around/other.nii", "away/b.nii")
    top = tmp_path / "around" / "top"
    for place, to in [
        ("here", "."), ("sub/top", ".."), ("sub/around", "../.."), ("away", "../../away"),
        ("itself", "itself"), ("gone", "nowhere"),
    ]:  # fmt: skip
        link(top / place, to)
    link(tmp_path / "away" / "back", top)
    link(tmp_path / "away" / "around", top.parent)

    assert found(top) == [("away/b.nii", "b", "away"), ("sub/a.nii", "a", "sub")]


def test_the_output_is_passed_over_by_any_way(tmp_path: Path) -> None:
    touch(tmp_path, "top/a.nii", "away/out/sub/a_dseg.nii.gz", "away/b.nii")
    out = tmp_path / "away" / "out"
    link(tmp_path / "top" / "away", "../away")
    link(tmp_path / "top" / "out", out)
    link(tmp_path / "top" / "sub", out / "sub")

    assert found(tmp_path / "top", exclude=out) == [
        ("a.nii", "a", "."),
        ("away/b.nii", "b", "away"),
    ]


@pytest.mark.parametrize(("name", "code"), [("gone", "file-missing"), ("empty", "no-scans")])
def test_nothing_to_find(tmp_path: Path, name: str, code: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=name) as caught:
        find_scans(tmp_path / name)
    assert caught.value.code == code


def test_a_locked_folder_is_an_error_at_the_top_and_a_failed_scan_inside(tmp_path: Path) -> None:
    touch(tmp_path, "top/locked/a.nii", "top/b.nii")
    (tmp_path / "top").chmod(0o755)
    (tmp_path / "top" / "locked").chmod(0)
    names = as_nobody(tmp_path, lambda: _tell(find_scans("top")))
    top = as_nobody(tmp_path, lambda: find_scans("top/locked"))
    (tmp_path / "top" / "locked").chmod(0o755)
    assert names == "UsageError told b.nii,locked"
    assert top.startswith("UsageError no-permission top/locked")


def _tell(scans: list) -> None:
    """Carry the names out of the child as an error."""
    raise UsageError("told", ",".join(scan.path.name for scan in scans), "")


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.nii.gz", "a"), ("a.NII", "a"), ("a.b.mha", "a.b"), ("x.seg.nrrd", "x"),
        ("IM1.dcm", "IM1"), ("plain", "plain"), (".nii", ".nii"), ("a.nii.nii.gz", "a.nii"),
    ],
)  # fmt: skip
def test_stems(name: str, stem: str) -> None:
    assert stem_of(Path(name)) == stem

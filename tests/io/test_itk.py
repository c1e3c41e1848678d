"""mha, mhd and nrrd in: what SimpleITK reads, and what only a text editor writes."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from scan_files import AFFINE, SHAPE, picture, refused, save_itk
from spinekit.core.errors import InputError, SpineKitError
from spinekit.io.reading import read_labels, read_scan
from spinekit.io.writing import write_labels

TURN = np.linalg.qr(np.array([[0.9, 0.1, -0.4], [0.2, 1.0, 0.3], [0.5, -0.2, 0.8]]))[0]


def as_sitk_says(path: Path, index: tuple[int, int, int]) -> np.ndarray:
    point = sitk.ReadImage(str(path)).TransformIndexToPhysicalPoint(index)
    return np.array(point) * [-1, -1, 1]


@pytest.mark.parametrize("ending", ["mha", "mhd", "nrrd"])
@pytest.mark.parametrize("compress", [True, False])
def test_same_voxels_and_places_as_in_nifti(tmp_path: Path, ending: str, compress: bool) -> None:
    scan = read_scan(save_itk(tmp_path / f"scan.{ending}", compress=compress))
    np.testing.assert_array_equal(scan.volume.array, picture())
    np.testing.assert_allclose(scan.volume.grid.affine, AFFINE)
    assert (scan.stem, scan.header.shape, scan.notices) == ("scan", SHAPE, ())


@pytest.mark.parametrize("ending", ["mha", "nrrd"])
@pytest.mark.parametrize("kind", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_every_voxel_type_in_oblique_position(tmp_path: Path, ending: str, kind: str) -> None:
    array = (picture() % 100).astype(kind)
    image = sitk.GetImageFromArray(array.T)
    image.SetSpacing((3.3, 0.7, 1.1))
    image.SetOrigin((5, -6, 7.25))
    image.SetDirection(tuple(TURN.ravel()))
    path = tmp_path / f"a.{ending}"
    sitk.WriteImage(image, str(path))
    scan = read_scan(path)
    np.testing.assert_array_equal(scan.volume.array, array)
    for index in [(0, 0, 0), (5, 39, 35), (3, 0, 20)]:
        place = scan.volume.grid.ijk_to_ras([index])[0]
        np.testing.assert_allclose(place, as_sitk_says(path, index), atol=1e-4)


def test_mhd_checksum_covers_the_voxels(tmp_path: Path) -> None:
    first = read_scan(save_itk(tmp_path / "a.mhd")).source["sha256"]
    second = read_scan(save_itk(tmp_path / "a.mhd", picture()[::-1].copy())).source["sha256"]
    assert first != second


def test_mhd_without_its_voxels(tmp_path: Path) -> None:
    path = save_itk(tmp_path / "a.mhd", compress=False)
    (tmp_path / "a.raw").unlink()
    with pytest.raises(InputError, match=r"a\.mhd: its voxel file a\.raw is missing"):
        read_scan(path)


@pytest.mark.parametrize("ending", ["mha", "nrrd"])
def test_series_of_volumes(tmp_path: Path, ending: str) -> None:
    array = picture((*SHAPE, 3))
    parts = [sitk.GetImageFromArray(array[..., n].T) for n in range(3)]
    path = tmp_path / f"a.{ending}"
    sitk.WriteImage(sitk.JoinSeries(parts), str(path))
    scan = read_scan(path)
    np.testing.assert_allclose(scan.volume.array, array.mean(axis=3), rtol=1e-6)
    assert [n.code for n in scan.notices] == ["volumes-averaged"]
    assert scan.header.shape == SHAPE
    chosen = read_scan(path, volume_index=2)
    np.testing.assert_array_equal(chosen.volume.array, array[..., 2])


@pytest.mark.parametrize("ending", ["mha", "nrrd"])
def test_colours_are_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    colours = np.zeros((4, 36, 40, 3), np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(colours, isVector=True), str(path))
    with pytest.raises(InputError) as caught:
        read_scan(path)
    assert caught.value.code == "colour-image"


@pytest.mark.parametrize("ending", ["mha", "nrrd"])
def test_a_flat_image_is_a_sagittal_slice(tmp_path: Path, ending: str) -> None:
    scan = read_scan(save_itk(tmp_path / f"a.{ending}", picture((40, 36))))
    assert scan.volume.shape == (40, 36, 1)
    assert scan.volume.grid.orientation == "PIL"
    assert [n.code for n in scan.notices] == ["orientation-assumed"]


def nrrd(path: Path, *lines: str, sizes: str = "6 40 36", content: bytes | None = None) -> Path:
    first = ["NRRD0005", "type: short", "encoding: raw", "endian: little"]
    order = [line for line in lines if line.startswith("space: ")]
    rest = [line for line in lines if not line.startswith("space: ")]
    size = [f"dimension: {len(sizes.split())}", *order, f"sizes: {sizes}"]
    text = "\n".join([*first, *size, *rest]) + "\n\n"
    content = picture().tobytes(order="F") if content is None else content
    path.write_bytes(text.encode() + content)
    return path


@pytest.mark.parametrize(
    ("space", "signs"),
    [
        ("left-posterior-superior", (-1, -1, 1)),
        ("right-anterior-superior", (1, 1, 1)),
        ("RAS", (1, 1, 1)),
        ("left-anterior-superior", (-1, 1, 1)),
        ("LPS", (-1, -1, 1)),
        ("LAS", (-1, 1, 1)),
    ],
)
def test_nrrd_spaces_all_end_in_ras(
    tmp_path: Path, space: str, signs: tuple[int, int, int]
) -> None:
    path = nrrd(
        tmp_path / "a.nrrd",
        f"space: {space}",
        "# a comment: not a field",
        "Segment0_Name:=space: elsewhere",
        "space directions: (4, 0, 0) (0, 1, 0) (0, 0, 1)",
        "space origin: (10, 20, 30)",
    )
    grid = read_scan(path).volume.grid
    np.testing.assert_allclose(np.diag(grid.affine), np.array([4, 1, 1, 1]) * (*signs, 1))
    np.testing.assert_allclose(grid.affine[:3, 3], np.array([10, 20, 30]) * signs)
    if space.islower():
        np.testing.assert_allclose(
            grid.ijk_to_ras([(5, 39, 35)])[0], as_sitk_says(path, (5, 39, 35)), atol=1e-4
        )


def test_nrrd_with_spacings_only(tmp_path: Path) -> None:
    scan = read_scan(nrrd(tmp_path / "a.nrrd", "spacings: 4 1.5 0.5"))
    assert scan.volume.spacing_mm == (4, 1.5, 0.5)
    assert (scan.volume.grid.orientation, scan.notices[0].code) == ("LPS", "orientation-assumed")
    assert "i → L, j → P, k → S" in scan.notices[0].text


@pytest.mark.parametrize("space", ["space dimension: 3", "space: right-anterior-supperior"])
def test_nrrd_without_a_known_space_is_said_to_be_taken_for_lps(tmp_path: Path, space: str) -> None:
    scan = read_scan(nrrd(tmp_path / "a.nrrd", space, "space directions: (0,4,0) (1,0,0) (0,0,1)"))

    assert scan.volume.grid.orientation == "PLS"
    assert [notice.code for notice in scan.notices] == ["orientation-assumed"]
    assert "i → P, j → L, k → S" in scan.notices[0].text


@pytest.mark.parametrize(
    ("space", "orientation"),
    [
        ("RAST", "RAS"), ("right-anterior-superior-time", "RAS"), ("LAST", "LAS"),
        ("left-anterior-superior-time", "LAS"), ("LPST", "LPS"),
    ],
)  # fmt: skip
def test_nrrd_spaces_with_time(tmp_path: Path, space: str, orientation: str) -> None:
    path = nrrd(
        tmp_path / "a.nrrd",
        f"space: {space}",
        "space directions: (4,0,0,0) (0,1,0,0) (0,0,1,0) (0,0,0,1)",
        "space origin: (1,2,3,0)",
        sizes="6 40 36 2",
        content=picture((*SHAPE, 2)).tobytes(order="F"),
    )
    assert read_scan(path).volume.grid.orientation == orientation


@pytest.mark.parametrize(
    ("units", "scale"),
    [
        ('"m" "m" "m"', 1000), ('"meters" "meters" "meters"', 1000), ('"cm" "cm" "cm"', 10),
        ('"um" "um" "um"', 0.001), ('"µm" "µm" "µm"', 0.001), ("microns microns microns", 0.001),
        ('"mm" "mm" "mm"', 1), ('"" "" ""', 1), ('"pixels" "pixels" "pixels"', 1),
    ],
)  # fmt: skip
def test_nrrd_units_are_converted(tmp_path: Path, units: str, scale: float) -> None:
    step, place = 4 / scale, 20 / scale
    path = nrrd(
        tmp_path / "a.nrrd",
        "space: left-posterior-superior",
        f"space directions: ({step},0,0) (0,{step / 4},0) (0,0,{step / 4})",
        f"space origin: ({place},{place},{place})",
        f"space units: {units}",
    )

    scan = read_scan(path)

    np.testing.assert_allclose(scan.volume.spacing_mm, (4, 1, 1))
    np.testing.assert_allclose(scan.volume.grid.affine[:3, 3], (-20, -20, 20))
    assert [n.code for n in scan.notices] == ([] if scale == 1 else ["units-converted"])
    write_labels(tmp_path / "b.nrrd", np.zeros(SHAPE, np.uint8), scan.header)
    assert read_labels(tmp_path / "b.nrrd").grid.is_close(scan.volume.grid)


def test_nrrd_units_of_axes_without_a_place_are_converted(tmp_path: Path) -> None:
    lines = ("spacings: nan 0.004 0.001 0.001", 'units: "s" "m" "m" "m"')
    kinds = "kinds: time domain domain domain"
    content = picture((2, *SHAPE)).tobytes(order="F")

    scan = read_scan(nrrd(tmp_path / "a.nrrd", *lines, kinds, sizes="2 6 40 36", content=content))

    assert scan.volume.spacing_mm == pytest.approx((4, 1, 1))
    assert "units-converted" in [n.code for n in scan.notices]


def test_nrrd_units_by_which_it_is_no_spine_are_doubted(tmp_path: Path) -> None:
    lines = ("spacings: 4 1 1", 'units: "m" "m" "m"')

    scan = read_scan(nrrd(tmp_path / "a.nrrd", *lines))

    assert scan.volume.spacing_mm == (4, 1, 1)
    assert "units-doubtful" in [n.code for n in scan.notices]
    assert refused(nrrd(tmp_path / "a.nrrd", *lines), strict=True).code == "implausible-spacing"
    mixed = nrrd(tmp_path / "b.nrrd", "spacings: 4 1 1", 'units: "m" "mm" "mm"')
    assert "several units" in refused(mixed).message


def test_nrrd_volumes_on_the_first_axis(tmp_path: Path) -> None:
    array = picture((2, *SHAPE))
    path = nrrd(
        tmp_path / "a.nrrd",
        "kinds: list domain domain domain",
        "space: left-posterior-superior",
        "space directions: none (4,0,0) (0,1,0) (0,0,1)",
        sizes="2 6 40 36",
        content=array.tobytes(order="F"),
    )
    scan = read_scan(path, volume_index=1)
    np.testing.assert_array_equal(scan.volume.array, array[1])


def test_label_values_that_no_integer_here_holds_are_refused(tmp_path: Path) -> None:
    labels = np.zeros(SHAPE, np.uint64)
    labels[1, 2, 3] = 2**64 - 1
    with pytest.raises(InputError, match="label values are too large"):
        read_labels(save_itk(tmp_path / "a.nrrd", labels))


def test_labels_of_several_layers_are_refused_rather_than_half_read(tmp_path: Path) -> None:
    path = nrrd(
        tmp_path / "a.seg.nrrd",
        "kinds: list domain domain domain",
        "space: left-posterior-superior",
        "space directions: none (4,0,0) (0,1,0) (0,0,1)",
        sizes="2 6 40 36",
        content=picture((2, *SHAPE)).tobytes(order="F"),
    )
    with pytest.raises(InputError) as caught:
        read_labels(path)
    assert caught.value.code == "several-layers"


def test_nrrd_slice_that_lies_in_space(tmp_path: Path) -> None:
    path = nrrd(
        tmp_path / "a.nrrd",
        "space: left-posterior-superior",
        "space directions: (0,0.5,0) (0,0,-0.5)",
        "space origin: (1,2,3)",
        sizes="40 36",
        content=picture((40, 36)).tobytes(order="F"),
    )
    scan = read_scan(path)
    assert scan.volume.grid.orientation[:2] == "PI"
    assert scan.notices == ()


def test_nrrd_in_other_packings_and_places(tmp_path: Path) -> None:
    import bz2

    content = picture().tobytes(order="F")
    packed = nrrd(tmp_path / "a.nrrd", content=bz2.compress(content))
    packed.write_bytes(packed.read_bytes().replace(b"encoding: raw", b"encoding: bzip2"))
    np.testing.assert_array_equal(read_scan(packed).volume.array, picture())
    late = nrrd(tmp_path / "b.nrrd", "byte skip: -1", content=b"junk" + content)
    np.testing.assert_array_equal(read_scan(late).volume.array, picture())
    (tmp_path / "c.raw").write_bytes(content)
    apart = nrrd(tmp_path / "c.nrrd", "data file: c.raw", content=b"")
    np.testing.assert_array_equal(read_scan(apart).volume.array, picture())


def test_big_endian_metaimage_with_voxels_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(b"head" + picture().astype(">i2").tobytes(order="F"))
    (tmp_path / "a.mhd").write_text(
        "ObjectType = Image\nNDims = 3\nBinaryDataByteOrderMSB = True\nHeaderSize = -1\n"
        "Position = 1 2 3\nElementSpacing = 4 1 1\nDimSize = 6 40 36\n"
        "ElementType = MET_SHORT\nElementDataFile = a.raw\n"
    )
    scan = read_scan(tmp_path / "a.mhd")
    np.testing.assert_array_equal(scan.volume.array, picture())
    np.testing.assert_allclose(scan.volume.grid.affine[:3, 3], (-1, -2, 3))


@pytest.mark.parametrize("other", ["", "ElementSpacing = 4 1 1\n"])
def test_metaimage_spacing_may_stand_as_size_of_elements(tmp_path: Path, other: str) -> None:
    path = tmp_path / "a.mha"
    sizes = "ElementSize = 3 1 1\n" if other else "ElementSize = 4 1 1\n"
    header = (
        f"ObjectType = Image\nNDims = 3\nBinaryData = True\n{sizes}{other}DimSize = 6 40 36\n"
        "ElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    )
    path.write_bytes(header.encode() + picture().tobytes(order="F"))
    scan = read_scan(path)
    assert scan.volume.spacing_mm == sitk.ReadImage(str(path)).GetSpacing() == (4, 1, 1)
    assert [notice.code for notice in scan.notices] == ["orientation-assumed"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b"NDims = 3", b"", "lacks the field NDims"),
        (b"6 40 36", b"6 x 36", "text where numbers should be"),
        (b"6 40 36", b"6 40", "3 axes and 2 sizes"),
        (b"4 1 1", b"4 1", "2 numbers for ElementSpacing"),
        (b"LOCAL", b"LIST", "several files"),
        (b"MET_SHORT", b"MET_STRING", "unknown voxel type"),
        (b"ObjectType = Image", b"ObjectType = Mesh", "Mesh"),
        (b"BinaryData = True", b"BinaryData = False", "as text"),
        (b"4 1 1", b"0 1 1", "spacing is zero"),
    ],
)
def test_headers_that_cannot_be(tmp_path: Path, old: bytes, new: bytes, told: str) -> None:
    path = save_itk(tmp_path / "a.mha")
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))
    with pytest.raises(SpineKitError, match=rf"a\.mha: .*{told}"):
        read_scan(path)


def test_five_axes_are_refused(tmp_path: Path) -> None:
    sizes = "2 3 4 5 6"
    path = nrrd(tmp_path / "a.nrrd", sizes=sizes, content=bytes(2 * 720))
    with pytest.raises(InputError) as caught:
        read_scan(path)
    assert caught.value.code == "five-dimensional"

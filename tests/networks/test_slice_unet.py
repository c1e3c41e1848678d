"""The network's shapes, sizes and what one slice may see."""

import pytest

torch = pytest.importorskip("torch")

from spinekit.networks.slice_unet import DOWNSCALE, SliceUNet  # noqa: E402

SMALL = (8, 8, 16, 16, 16)


@pytest.mark.parametrize("size", [(32, 64), (96, 32), (160, 128)])
@pytest.mark.parametrize("context", [1, 3, 5])
def test_output_shapes(size, context):
    network = SliceUNet(SMALL, context).eval()
    with torch.no_grad():
        parts, levels = network(torch.zeros(2, context, *size))
    assert parts.shape == (2, 7, *size)
    assert levels.shape == (2, 27, size[0] // 8, size[1] // 8)


def test_slices_of_a_batch_do_not_mix():
    network = SliceUNet(SMALL).eval()
    one, two = torch.rand(2, 1, 3, 64, 64)
    with torch.no_grad():
        together = network(torch.cat([one, two]))[0][0]
        alone = network(one)[0][0]
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_every_weight_learns():
    network = SliceUNet(SMALL)
    parts, levels = network(torch.rand(2, 3, DOWNSCALE * 2, DOWNSCALE * 2))
    (parts.square().mean() + levels.square().mean()).backward()
    dead = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []


def test_default_fits_in_the_package():
    parameters = sum(p.numel() for p in SliceUNet().parameters())
    assert parameters * 2 < 20e6

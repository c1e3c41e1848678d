"""The network's shapes, sizes and what one slice may see."""

import pytest

torch = pytest.importorskip("torch")

from spinekit.networks.slice_unet import (  # noqa: E402
    DOWNSCALE,
    SliceUNet,
    complete_weights,
)

SMALL = (8, 8, 16, 16, 16)


def sighted() -> SliceUNet:
    """A network whose far sight, which starts at zero, sees something."""
    network = SliceUNet(SMALL)
    torch.nn.init.normal_(network.far.conv2.weight, std=0.1)
    return network


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
    network = sighted()
    parts, levels = network(torch.rand(2, 3, DOWNSCALE * 2, DOWNSCALE * 2))
    (parts.square().mean() + levels.square().mean()).backward()
    dead = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []


def test_default_fits_in_the_package():
    parameters = sum(p.numel() for p in SliceUNet().parameters())
    assert parameters * 2 < 20e6


def test_weights_of_a_network_without_far_sight_go_on_as_they_were():
    before, after = sighted(), SliceUNet(SMALL)
    old = {k: v for k, v in before.state_dict().items() if not k.startswith("far.")}
    after.load_state_dict(complete_weights(after, old))
    before.far = torch.nn.Identity()
    slices = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        for one, other in zip(before(slices), after(slices), strict=True):
            torch.testing.assert_close(one, other)


def test_weights_of_far_sight_that_are_there_stay():
    network = SliceUNet(SMALL)
    weights = sighted().state_dict()
    kept = complete_weights(network, weights)
    assert all(torch.equal(kept[name], weights[name]) for name in weights)
    assert set(kept) == set(weights)


@pytest.mark.parametrize("has_far_sight", [True, False])
def test_far_sight_alone_sees_what_lies_eleven_cells_away(has_far_sight):
    """Turning a cell changes no mean and no spread; normalisation, which does, is left out."""
    network = sighted().eval()
    for name, module in list(network.named_modules()):
        if isinstance(module, torch.nn.InstanceNorm2d):
            network.set_submodule(name, torch.nn.Identity())
    if not has_far_sight:
        network.far = torch.nn.Identity()
    slices = torch.rand(1, 3, DOWNSCALE, 16 * DOWNSCALE, dtype=torch.float64)
    turned = slices.clone()
    far = slice(4 * DOWNSCALE, 5 * DOWNSCALE)
    turned[..., far] = slices[..., far].flip(-1)
    network.double()
    with torch.no_grad():
        change = (network(slices)[1] - network(turned)[1])[..., -4:].abs().max()
    assert (change > 1e-12) == has_far_sight

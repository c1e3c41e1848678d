"""The network's shapes, sizes and what one slice may see."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from spinekit.networks.slice_unet import DOWNSCALE, SliceUNet, complete_weights  # noqa: E402
from spinekit.training.recipe import read_recipe  # noqa: E402

SMALL = (8, 8, 16, 16, 16)
READER = (8, 16, 16)


@pytest.mark.parametrize("size", [(32, 64), (96, 32), (160, 128)])
@pytest.mark.parametrize("context", [1, 3, 5])
@pytest.mark.parametrize("reader", [(), READER])
def test_output_shapes(size, context, reader):
    network = SliceUNet(SMALL, context, level_widths=reader).eval()
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


@pytest.mark.parametrize("reader", [(), READER])
def test_every_weight_learns(reader):
    network = SliceUNet(SMALL, level_widths=reader)
    parts, levels = network(torch.rand(2, 3, DOWNSCALE * 2, DOWNSCALE * 2))
    (parts.square().mean() + levels.square().mean()).backward()
    dead = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []


def _gradients_of_levels(pull):
    """Gradients of a loss of the levels alone in one network, by the parameters' names."""
    torch.manual_seed(0)
    network = SliceUNet(SMALL, level_widths=READER, level_pull=pull)
    network(torch.rand(2, 3, 64, 64))[1].square().mean().backward()
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


def test_levels_read_apart_teach_the_parts_as_much_as_asked():
    none, tenth, all_ = (_gradients_of_levels(pull) for pull in (0.0, 0.1, 1.0))
    read = {name for name in all_ if name.startswith("level_")}
    assert {name for name, gradient in none.items() if gradient.any()} == read
    for name, gradient in tenth.items():
        share = 1.0 if name in read else 0.1
        torch.testing.assert_close(gradient, share * all_[name], atol=1e-7, rtol=1e-3)
    assert tenth["stem.weight"].any()


def test_levels_read_apart_see_the_whole_column():
    torch.manual_seed(0)
    network = SliceUNet(SMALL, level_widths=READER).eval()
    slices = torch.rand(1, 3, 32, 512)
    other = slices.clone()
    other[..., :32] = torch.rand(1, 3, 32, 32)
    # Normalisation sees everything by its means: without it the reach of convolutions counts.
    for module in network.modules():
        if isinstance(module, torch.nn.InstanceNorm2d):
            module.forward = lambda x: x
    with torch.no_grad():
        features = torch.zeros(1, SMALL[2], 4, 64)
        assert network.level_reader is not None
        one, two = (network.level_reader(features, image) for image in (slices, other))
    assert not torch.equal(one[..., -1], two[..., -1])


def test_weights_without_a_reader_serve_the_parts_of_a_network_that_has_one():
    plain, reading = SliceUNet(SMALL), SliceUNet(SMALL, level_widths=READER)
    levels = {k: v.clone() for k, v in reading.state_dict().items() if k.startswith("level_")}
    reading.load_state_dict(complete_weights(reading, plain.state_dict()))
    slices = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(reading(slices)[0], plain(slices)[0])
    for name, value in levels.items():
        torch.testing.assert_close(reading.state_dict()[name], value)
    assert complete_weights(plain, plain.state_dict()).keys() == plain.state_dict().keys()


@pytest.mark.parametrize("name", ["default", "scratch"])
def test_what_the_recipes_train_fits_in_the_package(name):
    recipe = read_recipe(Path(__file__).parents[2] / "recipes" / f"{name}.toml")
    network = SliceUNet(recipe.widths, recipe.context, level_widths=recipe.level_widths)
    assert sum(p.numel() for p in network.parameters()) * 2 < 20e6

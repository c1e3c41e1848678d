import copy

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from spinekit.networks.slice_unet import SliceUNet  # noqa: E402
from spinekit.training.optimiser import Optimiser, orthogonalise  # noqa: E402
from spinekit.training.precision import fast_type, memory_format  # noqa: E402


def network(seed=0):
    torch.manual_seed(seed)
    return SliceUNet((8, 8, 16, 16, 16), 3).to(memory_format=torch.channels_last)


def backward(net, seed=1):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand((2, 3, 64, 64), generator=generator)
    parts, levels = net(images)
    (parts.square().mean() + levels.square().mean()).backward()


def test_one_step_moves_every_weight_that_has_a_gradient():
    net = network()
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    optimiser = Optimiser(net, 1e-2, 0.0)
    backward(net)
    learned = {name for name, p in net.named_parameters() if p.grad.abs().max() > 1e-12}
    optimiser.step(1e-2)
    moved = {name for name, p in net.named_parameters() if not torch.equal(p, before[name])}
    assert learned <= moved
    assert all(p.grad is None for p in net.parameters())


def test_a_convolution_moves_along_the_nearest_orthogonal_matrix():
    """Muon's first step is −lr · 0.2 √max(A, B) · U Vᵀ, up to what five iterations leave."""
    net = network()
    weight = net.encoders[2].conv1.weight
    before = weight.detach().clone()
    optimiser = Optimiser(net, 1e-2, 0.0)
    backward(net)
    gradient = weight.grad.detach().permute(0, 2, 3, 1).flatten(1)
    optimiser.step(1e-2)
    change = (weight.detach() - before).permute(0, 2, 3, 1).flatten(1)
    u, _, vt = torch.linalg.svd(gradient, full_matrices=False)
    expected = -1e-2 * 0.2 * max(gradient.shape) ** 0.5 * (u @ vt)
    cosine = (change * expected).sum() / (change.norm() * expected.norm())
    assert cosine > 0.9
    assert 0.6 < change.norm() / expected.norm() < 1.4


def test_a_stored_state_goes_on_like_the_run_it_was_taken_from():
    one, other = network(), network()
    first, second = Optimiser(one, 1e-2, 0.01), Optimiser(other, 1e-2, 0.01)
    backward(one)
    first.step(1e-2)
    other.load_state_dict(one.state_dict())
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for net, optimiser in ((one, first), (other, second)):
        backward(net, seed=2)
        optimiser.step(5e-3)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_it_lowers_a_loss():
    net = network()
    optimiser = Optimiser(net, 5e-3, 0.0)
    images = torch.rand((2, 3, 64, 64))
    losses = []
    for _ in range(25):
        parts, _ = net(images)
        loss = torch.nn.functional.cross_entropy(parts, torch.full((2, 64, 64), 3))
        loss.backward()
        optimiser.step(5e-3)
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.2 * losses[0]


@pytest.mark.parametrize("shape", [(8, 72), (72, 8), (16, 16)])
def test_newton_schulz_brings_singular_values_near_one_and_keeps_their_vectors(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(3))
    made = orthogonalise(matrix)
    assert made.shape == matrix.shape
    values = torch.linalg.svdvals(made)
    assert values.min() > 0.3
    assert values.max() < 1.3
    u, _, vt = torch.linalg.svd(matrix, full_matrices=False)
    inner = u.T @ made @ vt.T
    torch.testing.assert_close(inner, torch.diag(inner.diagonal()), atol=1e-3, rtol=0)


def test_the_layout_of_the_weights_changes_nothing():
    one = network()
    other = network().to(memory_format=torch.contiguous_format)
    for net in (one, other):
        optimiser = Optimiser(net, 1e-2, 0.01)
        backward(net)
        optimiser.step(1e-2)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize(
    ("capabilities", "kind"),
    [({"avx2": True, "avx512_bf16": False}, "float32"), ({"amx_bf16": True}, "bfloat16")],
)
def test_bfloat16_is_used_only_where_the_processor_multiplies_it(monkeypatch, capabilities, kind):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    found = fast_type(torch.device("cpu"))
    assert found == getattr(torch, kind)
    channels_last = memory_format(found) is torch.channels_last
    assert channels_last == (kind == "bfloat16")

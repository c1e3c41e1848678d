"""The device and number type that training takes, on machines that are not here."""

import pytest

torch = pytest.importorskip("torch")

from spinekit.core.errors import UsageError  # noqa: E402
from spinekit.training.precision import choose_device, describe_device, fast_type  # noqa: E402

CUDA = torch.device("cuda")


@pytest.fixture
def gpu(monkeypatch):
    """Let torch see a GPU that multiplies bfloat16 itself, or only emulates it."""

    def put(*, native: bool) -> None:
        monkeypatch.setattr("torch.cuda.is_available", lambda: True)
        monkeypatch.setattr(
            "torch.cuda.is_bf16_supported",
            lambda including_emulation=True: native or including_emulation,
        )

    return put


@pytest.mark.parametrize(("native", "kind"), [(False, torch.float32), (True, torch.bfloat16)])
def test_a_gpu_that_only_emulates_bfloat16_trains_in_float32(gpu, native, kind):
    gpu(native=native)
    assert fast_type(CUDA) == kind


def test_auto_takes_a_gpu_where_there_is_one(gpu, monkeypatch):
    gpu(native=True)
    assert choose_device("auto") == CUDA
    assert describe_device("auto", CUDA) == "cuda in bfloat16"
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert choose_device("auto") == torch.device("cpu")


@pytest.mark.parametrize(
    ("built", "why"), [(None, "built without GPU support"), ("12.8", "torch sees no GPU")]
)
def test_why_there_is_no_gpu_is_said(monkeypatch, built, why):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.version.cuda", built)
    monkeypatch.setattr("torch.version.hip", None)
    monkeypatch.setattr("spinekit.training.precision.NATIVE", ())
    with pytest.raises(UsageError, match=why):
        choose_device("cuda:1")
    cpu = choose_device("auto")
    assert why in describe_device("auto", cpu)
    assert describe_device("cpu", cpu) == "cpu in float32"


def test_a_device_of_no_such_name_is_refused():
    with pytest.raises(UsageError, match="no device is called 'gpu'"):
        choose_device("gpu")

"""A warning where bfloat16 is imitated; who is asked."""

import pytest
import torch

from equigrasp.training import bfloat16
from equigrasp.training.bfloat16 import bfloat16_warning, convolution_seconds

CPU = torch.device("cpu")


def seconds(monkeypatch, half: float, full: float):
    times = {torch.bfloat16: half, torch.float32: full}
    monkeypatch.setattr(bfloat16, "convolution_seconds", times.__getitem__)


def test_a_slow_processor_is_told_what_is_faster(monkeypatch):
    seconds(monkeypatch, half=0.08, full=0.01)
    assert "8.0 times as long" in (said := bfloat16_warning(CPU))
    assert "trainer.precision=32-true" in said


@pytest.mark.parametrize("half", [0.004, 0.01, 0.0115])
def test_nothing_is_said_where_it_pays_or_hardly_costs(monkeypatch, half):
    seconds(monkeypatch, half=half, full=0.01)
    assert bfloat16_warning(CPU) is None


def test_other_devices_are_not_asked(monkeypatch):
    monkeypatch.setattr(bfloat16, "convolution_seconds", None)
    assert bfloat16_warning(torch.device("cuda")) is None


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_convolution_is_timed(dtype):
    assert 0 < convolution_seconds(dtype) < float("inf")

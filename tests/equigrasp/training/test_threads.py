"""How many cores a process of a training may use."""

import pytest
import torch
from lightning.fabric import Fabric

from equigrasp.training.loop import _launched
from equigrasp.training.settings import TrainSettings


@pytest.fixture
def launched(monkeypatch):
    """Settings to the threads of a process that was launched beside others, each of which launching
    gives three of the cores."""
    before = torch.get_num_threads()
    monkeypatch.setattr(Fabric, "launch", lambda self: torch.set_num_threads(3))

    def threads(**settings):
        _launched(TrainSettings(accelerator="cpu", **settings))
        return torch.get_num_threads()

    yield threads
    torch.set_num_threads(before)


def test_threads_that_are_asked_for_are_those_that_are_used(launched):
    assert launched(threads=2) == 2


def test_threads_that_nobody_asks_for_are_shared_out(launched):
    assert launched() == 3

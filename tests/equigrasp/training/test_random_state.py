"""Generator states survive capture, use and restoration."""

import random

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from equigrasp.training.random_state import (
    capture_random_state,
    restore_random_state,
    step_generator,
)


def _draws():
    return (
        [random.random() for _ in range(5)] + [random.gauss(0, 1)],
        np.random.standard_normal(5).tolist(),  # noqa: NPY002
        torch.randn(5).tolist() + torch.randperm(9).tolist(),
    )


def test_restored_generators_repeat_their_draws(tmp_path):
    random.gauss(0, 1)  # leaves a cached second value behind
    np.random.standard_normal(3)  # noqa: NPY002
    save_file(capture_random_state(), tmp_path / "random.safetensors")
    first = _draws()
    assert _draws() != first
    restore_random_state(load_file(tmp_path / "random.safetensors"))
    assert _draws() == first


def test_a_steps_numbers_follow_from_seed_step_and_process():
    first = torch.rand(4, generator=step_generator(3, 7, 0))
    assert torch.equal(first, torch.rand(4, generator=step_generator(3, 7, 0)))
    for other in ((4, 7, 0), (3, 8, 0), (3, 7, 1)):
        assert not torch.equal(first, torch.rand(4, generator=step_generator(*other)))

"""What everything with a two-level batch has to keep: samples and conditions do not see each other.

Sampling grasp models and keyframe policies are tested by the same methods, each of which gets its
denoiser as a `TwoLevel`: conditions that are encoded once, and samples of each, (B, M, ...).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn

from equigrasp.diffusion.batch import flatten_samples, replicate_conditions
from equigrasp.testing.require import require

EXACT = 1e-9
"""Answers in float64 that differ by less than this are the same."""


class TwoLevel(NamedTuple):
    """A denoiser, and conditions and samples for it.

    Attributes:
        module: whose gradients count.
        answers: what it says, (B, M, numbers), of conditions, samples and times.
        conditions: B of them, as `answers` takes them.
        others: by a name, the conditions with something else about the second one.
        replicated: conditions, each M times in a row.
        noised: samples (B, M, ...), B and M at least 3.
        moved: by a name, the samples with something else about the third one of the second
            condition.
        time: (B, M).
        later: other times of the same samples.
    """

    module: nn.Module
    answers: Callable[[Any, Tensor, Tensor], Tensor]
    conditions: Any
    others: Mapping[str, Any]
    replicated: Callable[[Any, int], Any]
    noised: Tensor
    moved: Mapping[Any, Tensor]
    time: Tensor
    later: Tensor


class TwoLevelContract:
    """Test methods; a contract that has this as a base says what `_two_level` is."""

    def _two_level(self) -> TwoLevel | None:
        """A fresh denoiser with stirred weights in float64; None for what has none."""
        return None

    def test_a_sample_changes_its_own_answer_alone(self) -> None:
        """Everything about it does, and so does its time."""
        if (two := self._two_level()) is None:
            return
        base = two.answers(two.conditions, two.noised, two.time)
        for name, moved in two.moved.items():
            answers = two.answers(two.conditions, moved, two.time)
            _require_changed_alone(base, answers, [[1, 2]], name)
        later = two.time.clone()
        later[2, 0] = two.later[2, 0]
        answers = two.answers(two.conditions, two.noised, later)
        _require_changed_alone(base, answers, [[2, 0]], "its time")

    def test_a_condition_changes_its_own_answers_alone(self) -> None:
        """Whatever is different about it."""
        if (two := self._two_level()) is None:
            return
        base = two.answers(two.conditions, two.noised, two.time)
        own = [[1, sample] for sample in range(two.noised.shape[1])]
        for name, other in two.others.items():
            answers = two.answers(other, two.noised, two.time)
            _require_changed_alone(base, answers, own, name)

    def test_samples_beside_each_other_equal_one_by_one(self) -> None:
        """In any order."""
        if (two := self._two_level()) is None:
            return
        together = two.answers(two.conditions, two.noised, two.time)
        alone = [
            two.answers(two.conditions, two.noised[:, [sample]], two.time[:, [sample]])
            for sample in reversed(range(two.noised.shape[1]))
        ]
        torch.testing.assert_close(together.flip(1), torch.cat(alone, 1))

    def test_two_levels_equal_replicated_conditions(self) -> None:
        """Answers and gradients of M samples are those of every condition M times in a row."""
        found = []
        for naive in (False, True):
            if (two := self._two_level()) is None:
                return
            rows, conditions = [two.noised, two.time], two.conditions
            if naive:
                conditions = two.replicated(conditions, two.noised.shape[1])
                rows = [flatten_samples(row).unsqueeze(1) for row in rows]
            answers = flatten_samples(two.answers(conditions, *rows))
            answers.square().mean().backward()
            found.append([answers.detach(), *gradients(two.module).values()])
        for two_level, flat in zip(*found, strict=True):
            torch.testing.assert_close(two_level, flat)


def noised_rotations(model: Any, scenes: Tensor, points: Tensor, samples: int) -> TwoLevel | None:
    """Rotations between noise and grasp at the points of one scene; None if a model samples none.

    Args:
        model: in float64.
        scenes, points: (B, N, N, N) and (B, Q, 3), of which the first scene's points count.
        samples: M, at least 3.
    """
    if not model.samples_rotations:
        return None
    with torch.no_grad():
        seen = model.attend(model.reader(model.encode(scenes)), points)[0]
    shape = (len(seen), samples)
    noised = model.first_state(model.prior(shape, Generator().manual_seed(0)).to(seen))
    time = torch.linspace(0.0, 0.9, shape[0] * samples, dtype=seen.dtype).view(shape)
    other = torch.cat([seen[:1], seen[1:2] + 0.05, seen[2:]])

    def answers(seen: Tensor, noised: Tensor, time: Tensor) -> Tensor:
        return model.predict(model.context(seen), noised, time).flatten(2)

    others, moved = {"features": other}, noised.clone()
    moved[1, 2] = noised[0, 0]  # not number by number: a rotation is more than its entries
    return TwoLevel(
        model,
        answers,
        seen,
        others,
        replicate_conditions,
        noised,
        {"rotation": moved},
        time,
        time + 0.05,
    )


def moved_numbers(noised: Tensor) -> dict[int, Tensor]:
    """For every number of a sample, all samples with that of one of them moved."""
    found = {number: noised.clone() for number in range(noised.shape[2])}
    for number, moved in found.items():
        moved[1, 2, number] += 0.5
    return found


@torch.no_grad()
def stirred(model: nn.Module) -> nn.Module:
    """A model with all parameters anew, since layers that start at zero would hide a leak."""
    generator = Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.normal_(std=0.2, generator=generator)
    return model


def gradients(module: nn.Module) -> dict[str, Tensor]:
    """By parameter that is trained; zero where none has come."""
    return {
        name: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        for name, parameter in module.named_parameters()
        if parameter.requires_grad
    }


def _require_changed_alone(base: Tensor, changed: Tensor, own: list[list[int]], what: Any) -> None:
    moved = ((changed - base).abs().amax(-1) > EXACT).nonzero().tolist()
    require(moved == own, f"{what} of {own} changes the answers of {moved}")

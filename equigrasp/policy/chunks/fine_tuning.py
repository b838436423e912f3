"""Fine-tuning a chunk policy by what its actions earn: policy gradients through its denoising.

A decision of the environment is a chunk, and a chunk is denoised in T decisions (DPPO, arXiv
2409.00588). An update takes B observations, encodes each once, and puts the T denoising steps of
each beside each other as samples of a two-level batch; the published code shuffles the B T rows and
encodes an observation T times. The value of an observation is read from the same encoding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from equigrasp.diffusion.policy_gradient import (
    Chain,
    ChainPolicy,
    ValueHead,
    advantages,
    clipped_update,
)
from equigrasp.options import check_fields
from equigrasp.policy.chunks.chunk_io import Observed
from equigrasp.policy.chunks.diffusion_policy import DiffusionPolicy
from equigrasp.training.updates import improve, mean_update


@dataclass(frozen=True)
class TuningSettings:
    """How a policy is fine-tuned.

    Attributes:
        chain_steps: T, denoising steps of a chunk, all of which learn.
        least_std: see `ChainPolicy`.
        discount: of rewards, per chunk.
        smoothing: lambda of generalised advantage estimation (arXiv 1506.02438).
        step_discount: of advantages, per denoising step before the last.
        clip: see `clipped_update`.
        epochs: passes over the decisions of an iteration.
        batch_size: B, observations of an update.
        learning_rate, value_rate: of the policy and of the value head.
        divergence: nats per denoising decision after which an iteration's updates end.
        grad_clip: largest gradient norm.

    Raises:
        ValueError: a value beyond its limits.
    """

    chain_steps: int = 5
    least_std: float = 0.1
    discount: float = 0.99
    smoothing: float = 0.95
    step_discount: float = 0.99
    clip: float = 0.1
    epochs: int = 5
    batch_size: int = 64
    learning_rate: float = 3e-5
    value_rate: float = 1e-3
    divergence: float = 0.1
    grad_clip: float = 1.0

    def __post_init__(self) -> None:
        shares = dict.fromkeys(("discount", "smoothing", "step_discount"), (0.0, 1.0))
        check_fields(self, {**shares, "epochs": (1, 1000), "batch_size": (1, 1_000_000)})


class Decisions(NamedTuple):
    """N chunks that were played.

    Attributes:
        seen: the observations before them.
        states: (N, 1, T + 1, L, 2) from noise to the chunk.
        log_prob: (N, 1, T) when they were drawn.
        value: (N,) that was expected.
        returned: (N,) rewards from there on: the advantage and what was expected.
    """

    seen: Observed
    states: Tensor
    log_prob: Tensor
    value: Tensor
    returned: Tensor


class Tuner(nn.Module):
    """A policy with a value head, and how both learn.

    Args:
        policy: is changed.
        settings: of the learning.
    """

    def __init__(self, policy: DiffusionPolicy, settings: TuningSettings | None = None) -> None:
        super().__init__()
        self.settings = settings or TuningSettings()
        self.policy = policy
        self.value = ValueHead(policy.observed * policy.options["channels"])
        s = self.settings
        self.chain = ChainPolicy(policy.diffusion, s.chain_steps, s.least_std)
        groups = [
            {"params": list(policy.parameters()), "lr": s.learning_rate},
            {"params": list(self.value.parameters()), "lr": s.value_rate},
        ]
        self.optimizer = torch.optim.Adam(groups)

    @torch.no_grad()
    def decide(self, seen: Observed, generator: Generator) -> tuple[Chain, Tensor]:
        """A chunk for each of B observations, drawn, and what they promise (B,)."""
        tokens = self.policy.tokens(seen)
        encoded = self.policy.denoiser.remember(tokens)
        start = self.policy.noise(len(seen.state), 1, generator).to(tokens)
        chain = self.chain.run(lambda x, k: self.policy.predict(encoded, x, k), start, generator)
        return chain, self.value(tokens.flatten(1))

    def losses(self, batch: Decisions, gained: Tensor) -> dict[str, Tensor]:
        """What an update minimises, and what to watch.

        Args:
            batch: B decisions.
            gained: (B, 1, T), see `gains`.

        Returns:
            `policy` and `value` losses; `clipped` and `divergence`, see `Update`.
        """
        tokens = self.policy.tokens(batch.seen)
        encoded = self.policy.denoiser.remember(tokens)
        log_prob = self.chain.log_prob(
            lambda x, k: self.policy.predict(encoded, x, k), batch.states
        )
        found = clipped_update(log_prob, batch.log_prob, gained, self.settings.clip)
        # the value reads the encoding and does not shape it
        expected = self.value(tokens.detach().flatten(1))
        error = 0.5 * (expected - batch.returned).square().mean()
        return {
            "policy": found.loss,
            "value": error,
            "clipped": found.clipped,
            "divergence": found.divergence,
        }

    def gains(self, decisions: Decisions) -> Tensor:
        """Advantages (N, 1, T) of all denoising steps, over all decisions of an iteration."""
        s = self.settings
        return advantages(
            decisions.returned.unsqueeze(1),
            s.chain_steps,
            values=decisions.value,
            discount=s.step_discount,
        )

    def learn(self, decisions: Decisions, generator: Generator) -> dict[str, float]:
        """The updates of an iteration; means of what `losses` tells, and their number `updates`.

        Args:
            decisions: N of them.
            generator: of their order.
        """
        gained, rows = self.gains(decisions), []
        for _ in range(self.settings.epochs):
            order = torch.randperm(len(gained), generator=generator)
            for part in order.split(self.settings.batch_size):
                found = self.losses(taken(decisions, part), gained[part])
                rows.append({name: float(value.detach()) for name, value in found.items()})
                if rows[-1]["divergence"] > self.settings.divergence:
                    return mean_update(rows)  # of a policy too far from the one that played
                loss = found["policy"] + found["value"]
                improve(loss, self.optimizer, self.settings.grad_clip)
        return mean_update(rows)


def taken(decisions: Decisions, index: Tensor) -> Decisions:
    """Some of N decisions.

    Args:
        decisions: all.
        index: (n,) int64, which.
    """
    seen = Observed(*(None if part is None else part[index] for part in decisions.seen))
    return Decisions(seen, *(part[index] for part in decisions[1:]))


def returns(
    rewards: list[float], values: list[float], last: float, settings: TuningSettings
) -> list[float]:
    """Rewards from each decision of an episode on: its generalised advantage and its value.

    Args:
        rewards, values: of its decisions.
        last: value after the last one, 0 where the episode is over for good.
        settings: `discount` and `smoothing`.
    """
    found, gain, after = [], 0.0, last
    for reward, value in zip(reversed(rewards), reversed(values), strict=True):
        gain = (
            reward
            + settings.discount * after
            - value
            + (settings.discount * settings.smoothing * gain)
        )
        found.append(gain + value)
        after = value
    return found[::-1]

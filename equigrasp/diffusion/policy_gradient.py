"""Policy gradients through a denoising chain, as one two-level batch.

A chain of T denoising steps is a sequence of T decisions, each a Gaussian around what the denoiser
says; a reward that is known at the end moves all of them (DDPO, arXiv 2305.13301; DPPO, arXiv
2409.00588). With B conditions, S samples of each and T steps an update has B S T rows. All rows of
a condition share it, so they are samples of a two-level batch (B, S T): a condition is encoded once
an update instead of once a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from equigrasp.diffusion.schedules import Denoiser, Diffusion


class Chain(NamedTuple):
    """Denoising chains that were run.

    Attributes:
        states: (B, S, T + 1, ...), from noise to the sample.
        log_prob: (B, S, T) of each decision, summed over what it decides.
    """

    states: Tensor
    log_prob: Tensor

    @property
    def samples(self) -> Tensor:
        """What the chains end in, (B, S, ...)."""
        return self.states[:, :, -1]


class Update(NamedTuple):
    """Loss of one update, and what to watch.

    Attributes:
        loss: scalar, to be minimised.
        clipped: share of the decisions whose ratio was cut off.
        divergence: estimate of the divergence from the policy that ran the chains, in nats per
            decision.
    """

    loss: Tensor
    clipped: Tensor
    divergence: Tensor


@dataclass(frozen=True)
class ChainPolicy:
    """DDPM steps of a diffusion as a stochastic policy.

    Attributes:
        diffusion: schedule and what the denoiser predicts.
        steps: T, of a chain; divides the schedule's.
        least_std: least standard deviation of a decision, in units of the normalised sample. The
            last step of a diffusion has none, and the ones before it little: with so little noise
            nothing is explored, and likelihoods explode (DPPO, section 4).

    Raises:
        ValueError: steps that do not divide the schedule, or no deviation.
    """

    diffusion: Diffusion
    steps: int = 10
    least_std: float = 0.05

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= self.diffusion.steps or self.diffusion.steps % self.steps:
            raise ValueError(
                f"steps is {self.steps}; give a divisor of the schedule's {self.diffusion.steps}"
            )
        if not self.least_std > 0:
            raise ValueError(
                f"least_std is {self.least_std}; decisions without noise have no likelihood"
            )

    @property
    def times(self) -> Tensor:
        """Diffusion steps k of the chain, (T,) int64, the noisiest first."""
        stride = self.diffusion.steps // self.steps
        return torch.arange(self.diffusion.steps - 1, -1, -stride)

    @torch.no_grad()
    def run(self, denoiser: Denoiser, start: Tensor, generator: Generator) -> Chain:
        """Chains from noise (B, S, ...), each decision drawn.

        Args:
            denoiser: the policy's network: what is predicted at samples (B, M, ...), steps (B, M).
            start: standard normal noise.
            generator: of the decisions, on the CPU.
        """
        states, log_prob = [start], []
        for k in self.times:
            step = torch.full(start.shape[:2], int(k), device=start.device)
            mean, std = self.decision(denoiser(states[-1], step), states[-1], step)
            noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype).to(mean.device)
            states.append(mean + std * noise)
            log_prob.append(log_normal(states[-1], mean, std))
        return Chain(torch.stack(states, 2), torch.stack(log_prob, 2))

    def log_prob(self, denoiser: Denoiser, states: Tensor) -> Tensor:
        """Likelihoods (B, S, T) of the decisions of chains `states` (B, S, T + 1, ...).

        The denoiser is asked once, for a two-level batch of S T samples of every condition.
        """
        b, s, t = states.shape[0], states.shape[1], states.shape[2] - 1
        before, after = (states[:, :, part].flatten(1, 2) for part in (slice(t), slice(1, None)))
        each = torch.zeros(b, s, t, dtype=torch.long, device=states.device)
        step = (each + self.times.to(states.device)).flatten(1, 2)
        mean, std = self.decision(denoiser(before, step), before, step)
        return log_normal(after, mean, std).unflatten(1, (s, t))

    def decision(self, predicted: Tensor, state: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
        """Mean (B, M, ...) and standard deviation (B, M, 1, ...) of the next state.

        The DDPM posterior (Ho et al. 2020, eq. 7) between a step of the chain and the next.

        Args:
            predicted: what the denoiser says at the states.
            state: (B, M, ...).
            step: k (B, M).
        """
        alphas = self.diffusion.alphas().to(state)
        later = step - self.diffusion.steps // self.steps
        shape = (...,) + (None,) * (state.dim() - step.dim())
        now = alphas[step][shape]
        then = torch.where(later >= 0, alphas[later.clamp(min=0)], 1.0)[shape]
        clean, noise = self._parts(predicted, state, now)
        variance = (1 - then) / (1 - now) * (1 - now / then)
        mean = then.sqrt() * clean + (1 - then - variance).clamp(min=0).sqrt() * noise
        return mean, variance.clamp(min=0).sqrt().clamp(min=self.least_std)

    def _parts(self, predicted: Tensor, state: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
        """The clean sample and the noise that a prediction implies."""
        signal, spread = alpha.sqrt(), (1 - alpha).sqrt()
        if self.diffusion.prediction == "epsilon":
            return (state - spread * predicted) / signal, predicted
        if self.diffusion.prediction == "sample":
            return predicted, (state - signal * predicted) / spread
        return signal * state - spread * predicted, signal * predicted + spread * state


class ValueHead(nn.Module):
    """The reward that a condition promises, a baseline for advantages.

    Args:
        channels: of a condition's features.
        hidden: width of the layer between.
    """

    def __init__(self, channels: int, hidden: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(channels, hidden), nn.SiLU(), nn.Linear(hidden, 1))

    def forward(self, features: Tensor) -> Tensor:
        """(B, C) -> (B,)."""
        return self.layers(features).squeeze(-1)


def advantages(
    rewards: Tensor,
    steps: int,
    *,
    values: Tensor | None = None,
    discount: float = 1.0,
    normalise: bool = True,
) -> Tensor:
    """How much better each chain was than expected, for each of its decisions: (B, S, T).

    Args:
        rewards: (B, S) at the end of the chains.
        steps: T.
        values: (B,) expected rewards; None for the mean of the other samples of the condition,
            which needs at least two.
        discount: per denoising step from the end: early decisions, which later ones can still
            correct, count less (DPPO).
        normalise: to unit deviation over the batch, where there is any.

    Raises:
        ValueError: one sample and no values.
    """
    if values is None:
        count = rewards.shape[1]
        if count < 2:
            raise ValueError("one sample of a condition has no others to compare with; give values")
        expected = (rewards.sum(1, keepdim=True) - rewards) / (count - 1)
    else:
        expected = values[:, None]
    gained = (rewards - expected).detach()
    if normalise:
        gained = gained / gained.std(correction=0).clamp(min=1e-6)
    left = torch.arange(steps - 1, -1, -1, device=rewards.device, dtype=gained.dtype)
    return gained[..., None] * discount**left


def clipped_update(log_prob: Tensor, old: Tensor, gained: Tensor, clip: float = 0.1) -> Update:
    """The clipped surrogate of PPO over all decisions (Schulman et al. 2017, eq. 7).

    Args:
        log_prob: (B, S, T) under the policy that learns.
        old: the same under the one that ran the chains.
        gained: advantages (B, S, T).
        clip: ratios further than this from 1 bring nothing more.
    """
    shift = log_prob - old.detach()
    ratio = shift.exp()
    held = ratio.clamp(1 - clip, 1 + clip)
    loss = -torch.minimum(ratio * gained, held * gained).mean()
    with torch.no_grad():
        clipped = ((ratio - 1).abs() > clip).to(loss.dtype).mean()
        divergence = (ratio - 1 - shift).mean()
    return Update(loss, clipped, divergence)


def log_normal(x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Log-likelihood (B, M) of x (B, M, ...), summed over what comes after."""
    return torch.distributions.Normal(mean, std, validate_args=False).log_prob(x).flatten(2).sum(2)

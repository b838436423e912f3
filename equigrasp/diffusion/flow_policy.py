"""Flows as stochastic policies, for policy gradients: noise is added to every step of a flow.

A flow that is integrated decides nothing by chance; with Gaussian noise on each of its steps it is
a chain of decisions like a denoising chain, and has a likelihood (ReinFlow, arXiv 2505.22094). The
noise is that of a step: on the rotations, of the rotation vector in the workspace frame. It is the
same in all directions, so a turn of the scene turns chains and leaves their likelihoods alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Generator, Tensor

from equigrasp.diffusion.euler import EulerPath, Network
from equigrasp.diffusion.flow_diffusion import RowsDiffusion
from equigrasp.diffusion.flows import Flow
from equigrasp.diffusion.policy_gradient import Chain, ChainPolicy, log_normal


class Policy(Protocol):
    """Chains of decisions from noise to a rotation; see `FlowPolicy`."""

    def run(self, network: Network, start: Tensor, generator: Generator) -> Chain:
        """Chains from states of the prior (B, S, i, j), each decision drawn."""

    def log_prob(self, network: Network, states: Tensor) -> Tensor:
        """Likelihoods (B, S, T) of the decisions of chains `states` (B, S, T + 1, i, j)."""


@dataclass(frozen=True)
class FlowPolicy:
    """Euler steps of a flow with noise.

    Attributes:
        flow: moves states along predicted velocities.
        steps: T, of a chain.
        std: standard deviation of a step, in the flow's unit (on the rotations: rad).

    Raises:
        ValueError: no steps, or no deviation.
    """

    flow: EulerPath
    steps: int = 4
    std: float = 0.1

    def __post_init__(self) -> None:
        self.flow.stops(self.steps)
        if not self.std > 0:
            raise ValueError(f"std is {self.std}; decisions without noise have no likelihood")

    @torch.no_grad()
    def run(self, network: Network, start: Tensor, generator: Generator) -> Chain:
        """See `Policy`.

        Args:
            network: the velocities at states (B, M, i, j), times (B, M).
            start: states of the prior.
            generator: of the decisions, on the CPU.
        """
        states, log_prob = [start], []
        for number in range(self.steps):
            before = states[-1]
            mean = self._mean(network, before, torch.full(before.shape[:2], number))
            noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype).to(mean.device)
            states.append(self.flow.step(before, mean + self.std * noise, 1.0))
            log_prob.append(self._likelihood(before, states[-1], mean))
        return Chain(torch.stack(states, 2), torch.stack(log_prob, 2))

    def log_prob(self, network: Network, states: Tensor) -> Tensor:
        """See `Policy`. The network is asked once, for a two-level batch of S T samples of every
        condition."""
        b, s, t = states.shape[0], states.shape[1], states.shape[2] - 1
        before, after = (states[:, :, part].flatten(1, 2) for part in (slice(t), slice(1, None)))
        number = (torch.zeros(b, s, t, dtype=torch.long) + torch.arange(t)).flatten(1, 2)
        return self.likelihood(network, before, after, number).unflatten(1, (s, t))

    def likelihood(self, network: Network, before: Tensor, after: Tensor, number: Tensor) -> Tensor:
        """(B, M) of decisions that lead from states (B, M, i, j) to others.

        Args:
            network: the velocities.
            before, after: the states.
            number: (B, M) int64, which step of a chain each decision is.
        """
        return self._likelihood(before, after, self._mean(network, before, number))

    def _mean(self, network: Network, before: Tensor, number: Tensor) -> Tensor:
        """Means (B, M, ...) of steps."""
        stops = before.new_tensor(self.flow.stops(self.steps))[number.to(before.device)]
        velocity = network(before, stops[..., 0])
        return stops[..., 1][(...,) + (None,) * (velocity.dim() - 2)] * velocity

    def _likelihood(self, before: Tensor, after: Tensor, mean: Tensor) -> Tensor:
        """(B, M) of the steps that lead from one state to another, about their means."""
        return log_normal(self.flow.velocity(before, after), mean, mean.new_tensor(self.std))


@dataclass(frozen=True)
class RowsPolicy:
    """Denoising steps of a `RowsDiffusion`; its network takes steps as a share of all."""

    chain: ChainPolicy

    def run(self, network: Network, start: Tensor, generator: Generator) -> Chain:
        """See `Policy`."""
        return self.chain.run(self._denoiser(network), start, generator)

    def log_prob(self, network: Network, states: Tensor) -> Tensor:
        """See `Policy`."""
        return self.chain.log_prob(self._denoiser(network), states)

    def _denoiser(self, network: Network) -> Network:
        total = self.chain.diffusion.steps
        return lambda state, step: network(state, step.to(state) / total)


def policy_of(flow: Flow, steps: int, std: float) -> Policy:
    """The stochastic policy of one of `equigrasp.diffusion.flows`.

    Args:
        flow: moves states from noise to rotations.
        steps: T, of a chain; of a diffusion, a divisor of its schedule's.
        std: of a decision; of a diffusion, its least.

    Raises:
        ValueError: steps or deviation that make no chain.
    """
    if isinstance(flow, RowsDiffusion):
        return RowsPolicy(ChainPolicy(flow.diffusion, steps, std))
    return FlowPolicy(flow, steps, std)

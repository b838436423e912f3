"""Made-up batches of observations and actions, and the replication that two levels replace."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from equigrasp.diffusion.batch import replicate_conditions
from equigrasp.policy.keyframes.policy_io import Actions, Observations
from equigrasp.policy.keyframes.rotation_bins import BINS

SENTENCES = ("stack two red blocks", "open the top drawer", "press the blue button")


def random_observations(
    batch: int = 3, count: int = 40, seed: int = 0, dtype: torch.dtype = torch.float64
) -> Observations:
    """Uniform clouds above a table of 0.75 m, the last one without its last 10 points; two earlier
    keyframes in all but the last, which has one.

    Args:
        batch: B.
        count: N, more than 10.
        seed: of all random numbers.
        dtype: of all tensors but the mask.
    """
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, dtype=dtype)

    xyz = uniform(batch, count, 3) * 0.4 + torch.tensor([0.0, -0.2, 0.75], dtype=dtype)
    mask = torch.ones(batch, count, dtype=torch.bool)
    mask[-1, count - 10 :] = False
    state = torch.cat([xyz[:, 0], uniform(batch, 4), uniform(batch, 1).round()], 1)
    sentences = list(itertools.islice(itertools.cycle(SENTENCES), batch))
    rgb = 2 * uniform(batch, count, 3) - 1
    turned = uniform(batch, 2, 4), uniform(batch, 2, 1).round()
    past = torch.cat([xyz[:, 1:3], *turned], 2)
    past_mask = torch.ones(batch, 2, dtype=torch.bool)
    past_mask[-1, 1] = False
    return Observations(xyz, rgb, mask, state, sentences, past, past_mask)


def random_actions(batch: int = 3, dtype: torch.dtype = torch.float64) -> Actions:
    """Keyframes anywhere above the table, turned anyhow; arguments as for `random_observations`."""
    generator = torch.Generator().manual_seed(0)
    position = torch.rand(batch, 3, generator=generator, dtype=dtype) * 0.4
    bins = BINS * torch.rand((batch, 3), generator=generator, dtype=dtype)
    opened = torch.randint(0, 2, (batch,), generator=generator).to(dtype)
    return Actions(position + torch.tensor([0.0, -0.2, 0.75], dtype=dtype), bins, opened)


def replicated(seen: Observations, samples: int) -> Observations:
    """Every observation `samples` times in a row: what a batch without a second level has to be."""
    sentences = [sentence for sentence in seen.sentences for _ in range(samples)]
    rows = seen._replace(sentences=None)
    found = (None if part is None else replicate_conditions(part, samples) for part in rows)
    return Observations(*found)._replace(sentences=sentences)

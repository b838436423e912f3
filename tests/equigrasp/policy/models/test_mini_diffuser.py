"""Mini-Diffuser keeps the contract of policies, and learns."""

import torch

from equigrasp.policy.keyframes.policy_io import Actions, Observations
from equigrasp.policy.keyframes.synthetic import SENTENCES, random_observations
from equigrasp.policy.models.mini_diffuser import MiniDiffuser
from equigrasp.policy.nn.vocabulary import Vocabulary
from equigrasp.testing import PolicyContract


class TestContract(PolicyContract):
    config = {
        "name": "mini_diffuser",
        "widths": [24, 48],
        "channels": 24,
        "head_channels": 12,
        "patch": 16,
    }


def test_it_learns_what_the_sentence_asks_for():
    torch.manual_seed(0)
    model = MiniDiffuser(
        Vocabulary.of(SENTENCES), widths=(24, 48), channels=48, head_channels=24, patch=32
    )
    one = random_observations(1, 32)
    alike = [t.expand(3, *t.shape[1:]) for t in one[:4]]
    seen = Observations(*(t if t.dtype == torch.bool else t.float() for t in alike), SENTENCES)
    wanted = Actions(
        torch.tensor([[0.1, 0.1, 0.8], [0.3, -0.1, 0.9], [0.2, 0.0, 1.1]]),
        torch.tensor([[0, 36, 40], [0, 36, 30], [5, 36, 36]]),
        torch.tensor([1, 0, 1]),
    )
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(150):
        losses = model.losses(seen, wanted, 32, generator)
        optimiser.zero_grad()
        sum(losses.values()).backward()
        optimiser.step()
    found = model.act(seen, generator=torch.Generator().manual_seed(0))
    assert (found.position - wanted.position).norm(dim=-1).max() < 0.03
    assert found.bins.equal(wanted.bins)
    assert found.open.tolist() == [1, 0, 1]

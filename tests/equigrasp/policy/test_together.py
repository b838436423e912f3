"""Several draws of a scene's points decide together, in both policies."""

import pytest
import torch

from equigrasp.policy.diffuser_actor import DiffuserActor
from equigrasp.policy.mini_diffuser import MiniDiffuser
from equigrasp.policy.synthetic_batch import SENTENCES, random_observations, replicated, stirred
from equigrasp.policy.text import Vocabulary

SMALL = {
    MiniDiffuser: {"widths": (24, 48), "channels": 24, "head_channels": 12, "patch": 16},
    DiffuserActor: {"channels": 24, "head_channels": 12, "tokens": 8, "neighbours": 4},
}


@pytest.fixture(params=SMALL, ids=lambda kind: kind.name)
def model(request):
    torch.manual_seed(0)
    return stirred(request.param(Vocabulary.of(SENTENCES), **SMALL[request.param]).double())


def act(model, seen, together):
    generator = torch.Generator().manual_seed(1)
    return model.act(seen, candidates=4, steps=2, together=together, generator=generator)


def test_one_draw_decides_as_it_does_alone(model):
    seen = random_observations(1)
    for ours, alone in zip(act(model, seen, True), act(model, seen, False), strict=True):
        torch.testing.assert_close(ours, alone)


def test_the_same_draw_again_and_again_is_more_candidates(model):
    seen = random_observations(1)
    start = torch.randn(3, 4, model.noised, dtype=torch.float64)
    with torch.no_grad():
        copies = model.choose(model.encode(replicated(seen, 3)), start, 2, True)
        one = model.choose(model.encode(seen), start.flatten(0, 1)[None], 2, False)
    for ours, alone in zip(copies, one, strict=True):
        torch.testing.assert_close(ours, alone)


def test_the_order_of_draws_says_nothing(model):
    seen = random_observations(3)
    start = torch.randn(3, 4, model.noised, dtype=torch.float64)
    order = torch.tensor([2, 0, 1])
    other = type(seen)(
        *(tensor[order] for tensor in seen[:4]), [seen.sentences[i] for i in order.tolist()]
    )
    with torch.no_grad():
        first = model.choose(model.encode(seen), start, 2, True)
        second = model.choose(model.encode(other), start[order], 2, True)
    assert len(first.position) == 1
    for ours, again in zip(first, second, strict=True):
        torch.testing.assert_close(ours, again)

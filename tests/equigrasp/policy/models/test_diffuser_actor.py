"""3D Diffuser Actor with two levels: the contract of policies, relative positions, and learning."""

import pytest
import torch

from equigrasp.geometry.rotations import geodesic_distance
from equigrasp.policy.keyframes.policy_io import Actions, Observations
from equigrasp.policy.keyframes.rotation_rows import bins_to_six, six_to_matrix
from equigrasp.policy.keyframes.synthetic import SENTENCES, random_observations
from equigrasp.policy.models.diffuser_actor import POSE, DiffuserActor
from equigrasp.policy.nn.point_encoder import Points
from equigrasp.policy.nn.pose_denoiser import PoseAnswer
from equigrasp.policy.nn.relative_layer import RelativeLayer
from equigrasp.policy.nn.vocabulary import Vocabulary
from equigrasp.policy.nn.whitening import whiten
from equigrasp.testing.policy_contract import PolicyContract, stirred

WORDS = Vocabulary.of(SENTENCES)
SMALL = {"channels": 24, "head_channels": 12, "tokens": 12, "neighbours": 5, "trunk_layers": 2}


class TestContract(PolicyContract):
    config = {"name": "diffuser_actor", **SMALL}


def policy(**options):
    torch.manual_seed(0)
    return DiffuserActor(WORDS, **(SMALL | options)).double()


def keyframes():
    return Actions(
        torch.tensor([[0.1, 0.1, 0.8], [0.3, -0.1, 0.9], [0.2, 0.0, 1.1]]).double(),
        torch.tensor([[0, 36, 40], [0, 36, 30], [5, 40, 36]]),
        torch.tensor([1.0, 0.0, 1.0]),
    )


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noised(samples, batch=3, seed=1):
    generator = torch.Generator().manual_seed(seed)
    pose = torch.randn(batch, samples, sum(POSE), generator=generator, dtype=torch.float64)
    return pose, torch.randint(0, 100, (batch, samples), generator=generator)


def joined(answer):
    return torch.cat([*answer[:2], answer.open.unsqueeze(-1)], -1)


def test_attention_depends_on_relative_positions():
    torch.manual_seed(0)
    layer = stirred(RelativeLayer(24, 2).double())
    draws = [
        torch.randn(2, n, c, dtype=torch.float64) for n, c in ((7, 24), (7, 3), (4, 24), (4, 3))
    ]
    features, places, tokens, positions = draws
    mask = torch.ones(2, 7, dtype=torch.bool)
    context, times = torch.randn(2, 24).double(), torch.randn(2, 4, 24).double()

    def run(scene_shift, sample_shift):
        scene, memory = layer.condition(Points(features, places + scene_shift, mask), context)
        return scene.features, layer.samples(
            tokens, positions + sample_shift, [times], memory, mask
        )

    shift = torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64)
    scene, samples = run(0.0, 0.0)
    both = run(shift, shift)
    torch.testing.assert_close(both[0], scene)
    torch.testing.assert_close(both[1], samples)
    assert (run(0.0, shift)[1] - samples).abs().max() > 1e-3
    fixed = Points(features, places, mask)
    _, memory = layer.condition(fixed, context)
    for first, second in zip(layer.remember(fixed, context), memory, strict=True):
        torch.testing.assert_close(first, second)


def test_the_sign_of_a_quaternion_says_nothing():
    model, seen = stirred(policy()), random_observations()
    base = joined(model.predict(model.encode(seen), *noised(2)))
    state = seen.state.clone()
    state[:, 3:7] *= -1
    other = joined(model.predict(model.encode(seen._replace(state=state)), *noised(2)))
    torch.testing.assert_close(other, base)


@pytest.mark.parametrize("schedule", ["scaled_linear", "cosine"])
def test_a_perfect_denoiser_has_no_loss_and_finds_the_keyframe(monkeypatch, schedule):
    model, seen, wanted = policy(position_schedule=schedule), random_observations(), keyframes()
    pose = torch.cat([whiten(wanted.position), bins_to_six(wanted.bins, wanted.position)], -1)

    asked = []

    def perfect(scene, noised, step):
        asked.append((noised, step))
        parts = []
        for diffusion, x, clean in zip(
            model.diffusions, noised.split(POSE, -1), pose.unsqueeze(1).split(POSE, -1), strict=True
        ):
            alpha = diffusion.alphas().double()[step].unsqueeze(-1)
            noise = (x - alpha.sqrt() * clean) / (1 - alpha).sqrt()
            parts.append(diffusion.target(clean, noise, step))
        opened = (200 * wanted.open - 100).double().unsqueeze(1)
        return PoseAnswer(*parts, opened.expand(noised.shape[:2]))

    monkeypatch.setattr(model, "predict", perfect)
    assert all(loss < 1e-6 for loss in model.losses(seen, wanted, 8, seeded()).values())
    found = model.act(seen, candidates=2, steps=10)
    torch.testing.assert_close(found.position, wanted.position, rtol=0, atol=1e-2)
    six = [bins_to_six(bins, wanted.position) for bins in (found.bins, wanted.bins)]
    torch.testing.assert_close(*six, rtol=0, atol=1e-2)
    assert found.open.tolist() == wanted.open.tolist()
    last, step = asked[-1]  # the gripper is read at the chosen pose, without noise
    torch.testing.assert_close(last[:, 0, :3], whiten(found.position))
    assert step.tolist() == [[0]] * 3


def test_it_learns_four_keyframes():
    model = policy(channels=48, head_channels=24, branch_layers=1).float()
    alike = random_observations(1, 32, dtype=torch.float32)
    other = random_observations(1, 32, seed=1, dtype=torch.float32)
    seen = Observations(
        *(torch.cat([a, a, a, b]) for a, b in zip(alike[:4], other[:4], strict=True)),
        [*SENTENCES, SENTENCES[0]],
    )
    last = Actions(
        torch.tensor([[0.0, 0.2, 1.0]]), torch.tensor([[10, 36, 50]]), torch.tensor([0.0])
    )
    wanted = Actions(
        *(torch.cat([a.to(b.dtype), b]) for a, b in zip(keyframes(), last, strict=True))
    )

    def error():
        found = model.act(seen, generator=torch.Generator().manual_seed(0))
        return (found.position - wanted.position).norm(dim=-1).mean(), found

    before, _ = error()
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    generator = seeded()
    for _ in range(150):
        losses = model.losses(seen, wanted, 32, generator)
        optimiser.zero_grad()
        (3 * losses["position"] + losses["rotation"] + losses["gripper"]).backward()
        optimiser.step()
    after, found = error()
    assert after < 0.04 < 0.2 < before
    turned, asked = (six_to_matrix(bins_to_six(bins, after)) for bins in (found.bins, wanted.bins))
    assert geodesic_distance(turned, asked).rad2deg().max() < 20
    assert found.open.tolist() == wanted.open.tolist()


def test_heads_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="head_channels=10"):
        policy(head_channels=10)

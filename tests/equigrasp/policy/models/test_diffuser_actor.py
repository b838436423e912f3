"""3D Diffuser Actor with two levels: isolated samples, equal to replication, and able to learn."""

import pytest
import torch

from equigrasp.diffusion.losses import two_level_loss
from equigrasp.geometry.rotations import geodesic_distance
from equigrasp.policy.keyframes.policy_io import Actions, Observations
from equigrasp.policy.keyframes.rotation_bins import BINS
from equigrasp.policy.keyframes.rotation_rows import bins_to_six, six_to_matrix
from equigrasp.policy.keyframes.synthetic import SENTENCES, random_observations, replicated, stirred
from equigrasp.policy.models.diffuser_actor import POSE, DiffuserActor
from equigrasp.policy.nn.point_encoder import Points
from equigrasp.policy.nn.pose_denoiser import PoseAnswer
from equigrasp.policy.nn.relative_layer import RelativeLayer
from equigrasp.policy.nn.vocabulary import Vocabulary
from equigrasp.policy.nn.whitening import whiten

WORDS = Vocabulary.of(SENTENCES)


def policy(**options):
    torch.manual_seed(0)
    small = {"channels": 24, "head_channels": 12, "tokens": 12, "neighbours": 5, "trunk_layers": 2}
    return DiffuserActor(WORDS, **(small | options)).double()


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


def test_shapes():
    model, seen = policy(), random_observations()
    answer = model.predict(model.encode(seen), *noised(4))
    assert [tuple(part.shape) for part in answer] == [(3, 4, 3), (3, 4, 6), (3, 4)]
    losses = model.losses(seen, keyframes(), 4, seeded())
    assert sorted(losses) == ["gripper", "position", "rotation"]
    chosen = model.act(seen, candidates=3, steps=2)
    assert [tuple(part.shape) for part in chosen] == [(3, 3), (3, 3), (3,)]
    assert ((chosen.bins >= 0) & (chosen.bins < BINS)).all()
    assert set(chosen.open.tolist()) <= {0.0, 1.0}


def test_samples_and_conditions_are_isolated():
    model, seen = stirred(policy()), random_observations()
    pose, step = noised(4)
    base = joined(model.predict(model.encode(seen), pose, step))
    for part in range(sum(POSE)):
        moved = pose.clone()
        moved[1, 2, part] += 0.5
        change = joined(model.predict(model.encode(seen), moved, step)) - base
        assert (change.abs().amax(-1) > 1e-9).nonzero().tolist() == [[1, 2]]
    later = step.clone()
    later[2, 0] = (later[2, 0] + 30) % 100
    change = joined(model.predict(model.encode(seen), pose, later)) - base
    assert (change.abs().amax(-1) > 1e-9).nonzero().tolist() == [[2, 0]]


@pytest.mark.parametrize("field", ["xyz", "rgb", "mask", "state", "sentences"])
def test_an_observation_changes_its_own_samples_alone(field):
    model, seen = stirred(policy()), random_observations()
    pose, step = noised(4)
    base = joined(model.predict(model.encode(seen), pose, step))
    if field == "sentences":
        other = [SENTENCES[0], SENTENCES[2], SENTENCES[2]]
    else:
        other = getattr(seen, field).clone()
        other[1] = ~other[1].roll(3).cumsum(0).lt(20) if field == "mask" else other[1] + 0.05
    change = joined(model.predict(model.encode(seen._replace(**{field: other})), pose, step)) - base
    moved = change.abs().amax(-1) > 1e-9
    assert moved[1].all()
    assert not moved[[0, 2]].any()


def test_loss_and_gradients_equal_naive_replication():
    pose, step = noised(4)
    target = torch.randn(3, 4, 10, generator=torch.Generator().manual_seed(2)).double()
    found = []
    for naive in (False, True):
        model, seen = stirred(policy()), random_observations()
        rows = [pose, step, target]
        if naive:
            seen = replicated(seen, 4)
            rows = [t.flatten(0, 1).unsqueeze(1) for t in rows]
        loss = two_level_loss(joined(model.predict(model.encode(seen), *rows[:2])), rows[2])
        loss.backward()
        found.append([loss.detach(), *(p.grad for p in model.parameters())])
    for two_level, flat in zip(*found, strict=True):
        torch.testing.assert_close(two_level, flat)


def test_the_scene_is_the_same_whatever_the_samples():
    model, seen = stirred(policy()), random_observations()
    pose, step = noised(6)
    scene = model.encode(seen)
    all_at_once = joined(model.predict(scene, pose, step))
    one_by_one = [
        joined(model.predict(scene, pose[:, [j]], step[:, [j]])) for j in reversed(range(6))
    ]
    torch.testing.assert_close(all_at_once.flip(1), torch.cat(one_by_one, 1))


def test_the_same_generator_gives_the_same_losses_and_action():
    model, seen = stirred(policy()), random_observations()

    def run(seed):
        losses = model.losses(seen, keyframes(), 4, seeded(seed))
        action = model.act(seen, candidates=4, steps=3, generator=seeded(seed))
        return [*losses.values(), *action]

    first, second, other = run(0), run(0), run(1)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0], other[0])
    assert not torch.equal(first[3], other[3])


def test_padding_says_nothing():
    model, seen = stirred(policy()), random_observations()
    base = joined(model.predict(model.encode(seen), *noised(2)))
    junk = torch.full_like(seen.xyz[:, :7], 0.9)
    longer = seen._replace(
        xyz=torch.cat([seen.xyz, junk], 1),
        rgb=torch.cat([seen.rgb, junk], 1),
        mask=torch.cat([seen.mask, seen.mask.new_zeros(3, 7)], 1),
    )
    longer.xyz[2, 30:40] += 1.0  # the last cloud's own padding
    torch.testing.assert_close(joined(model.predict(model.encode(longer), *noised(2))), base)


def test_a_small_cloud_is_the_same_beside_a_large_one():
    model, seen = stirred(policy()), random_observations()
    seen.mask[2, 8:] = False  # fewer points than tokens
    beside = joined(model.predict(model.encode(seen), *noised(2)))
    alone = Observations(*(t[2:] for t in seen[:4]), seen.sentences[2:])
    alone = alone._replace(**{name: getattr(alone, name)[:, :8] for name in ("xyz", "rgb", "mask")})
    pose, step = noised(2)
    answer = joined(model.predict(model.encode(alone), pose[2:], step[2:]))
    torch.testing.assert_close(answer, beside[2:])


def test_nothing_to_see_gives_finite_losses_and_gradients():
    model, seen = policy(), random_observations()
    seen.mask[1] = False
    sum(model.losses(seen, keyframes(), 4, seeded()).values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


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


def test_gradients_reach_every_parameter():
    model = stirred(policy())
    sum(model.losses(random_observations(), keyframes(), 4, seeded()).values()).backward()
    still = [name for name, p in model.named_parameters() if not p.grad.abs().max() > 0]
    assert not still


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
    assert found.bins.equal(wanted.bins)
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


def test_options_are_kept_and_checked():
    assert policy(noise_steps=50).config["noise_steps"] == 50
    config = dict(policy().config)
    assert (config.pop("name"), config.pop("build")) == ("diffuser_actor", DiffuserActor.build)
    assert config.pop("text") == {"vocabulary": WORDS.words}
    again = DiffuserActor(WORDS, **config)
    again.load_state_dict(policy().state_dict())
    with pytest.raises(ValueError, match="head_channels=10"):
        policy(head_channels=10)

"""A policy of one's own, in one class, keeps the contract; the contract tells those that do not."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from equigrasp.diffusion.schedules import Diffusion
from equigrasp.options import records_options
from equigrasp.policy.keyframes.policy_io import Actions
from equigrasp.policy.models.base import KeyframePolicy
from equigrasp.policy.nn.text import text_encoder
from equigrasp.testing import PolicyContract


@records_options(exclude=("words",))
class Mine(KeyframePolicy):
    """Means of points and words decide, and rotations are always the same."""

    name = "mine"
    loss_weights = {"position": 1.0}
    noised = 3

    def __init__(self, words, *, channels=8, noise_steps=10):
        super().__init__()
        self.noise_steps = noise_steps
        self.diffusion = Diffusion("cosine", noise_steps, "v_prediction")
        self.text = text_encoder(words, channels, 2)
        self.points, self.state = nn.Linear(6, channels), nn.Linear(8, channels)
        self.answer = nn.Sequential(nn.Linear(channels + 4, 16), nn.GELU(), nn.Linear(16, 3))

    def encode(self, seen):
        words, said = self.text(seen.sentences)
        points = torch.tanh(self.points(torch.cat([seen.xyz, seen.rgb], -1)))
        means = [
            (x * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
            for x, mask in ((points, seen.mask), (words, said))
        ]
        return sum(means) + self.state(seen.state)

    def predict(self, encoded, noised, step):
        time = step.to(noised).unsqueeze(-1) / self.noise_steps
        known = encoded.unsqueeze(1).expand(-1, noised.shape[1], -1)
        return self.answer(torch.cat([known, noised, time], -1))

    def losses_at(self, encoded, wanted, step, noise, generator):
        clean = wanted.position.unsqueeze(1).expand_as(noise)
        found = self.predict(encoded, self.diffusion.add_noise(clean, noise, step), step)
        return {"position": F.l1_loss(found, self.diffusion.target(clean, noise, step))}

    def choose(self, encoded, start, steps):
        found = self.diffusion.sample(lambda x, k: self.predict(encoded, x, k), start, steps)
        position = found.mean(1)
        return Actions(position, position.new_zeros(len(found), 3).long(), position[:, 0] * 0)


class TestMine(PolicyContract):
    kind, config = Mine, {"name": "mine", "channels": 12}


class Leaky(Mine):
    """Samples see each other."""

    def predict(self, encoded, noised, step):
        return super().predict(encoded, noised, step) + noised.mean(1, keepdim=True)


class Crowded(Mine):
    """Observations see each other."""

    def encode(self, seen):
        found = super().encode(seen)
        return found + found.mean(0)


class Forgetful(Mine):
    """Not all of its options are recorded."""

    def __init__(self, words, *, channels=8, noise_steps=10):
        super().__init__(words, channels=channels, noise_steps=noise_steps)
        self.options = {"noise_steps": noise_steps}


class Moody(Mine):
    """It takes numbers from torch's own generator."""

    def encode(self, seen):
        return super().encode(seen) + torch.rand(())


class Idle(Mine):
    """A layer that nothing comes of."""

    def __init__(self, words, *, channels=8, noise_steps=10):
        super().__init__(words, channels=channels, noise_steps=noise_steps)
        self.idle = nn.Linear(2, 2)


class Credulous(Mine):
    """It takes anything."""

    def act(self, seen, *, candidates=16, steps=10, generator=None):
        return Actions(*(torch.zeros(3),) * 3)


@pytest.mark.parametrize(
    ("broken", "check", "message"),
    [
        (Leaky, "a_sample_changes_its_own_answer_alone", "changes the answers of"),
        (Leaky, "samples_beside_each_other_equal_one_by_one", "not close"),
        (Crowded, "a_condition_changes_its_own_answers_alone", "xyz of"),
        (Crowded, "a_small_cloud_is_the_same_beside_a_large_one", "not close"),
        (Forgetful, "options_are_recorded_and_make_it_again", "'channels': None"),
        (Moody, "a_generator_decides_all_that_is_random", "torch's state"),
        (Idle, "gradients_reach_every_parameter", "idle.weight"),
        (Credulous, "what_makes_no_sense_is_refused", "a sentence without words: not refused"),
    ],
)
def test_what_is_broken_is_told(broken, check, message):
    contract = type("Contract", (PolicyContract,), {"kind": broken, "config": TestMine.config})()
    with pytest.raises(AssertionError, match=message):
        getattr(contract, f"test_{check}")()

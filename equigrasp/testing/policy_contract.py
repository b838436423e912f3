"""What every keyframe policy has to keep.

    class TestMine(PolicyContract):
        config = {"name": "mine", "channels": 24}

in a test module checks the policy of that name with small options, quickly; a class that does not
lie in `equigrasp/policy/models` is given as `kind = Mine`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor

from equigrasp.policy.keyframes.policy_io import Actions, Observations
from equigrasp.policy.keyframes.rotation_bins import BINS
from equigrasp.policy.keyframes.synthetic import (
    SENTENCES,
    random_actions,
    random_observations,
    replicated,
)
from equigrasp.policy.models import find_policy_class
from equigrasp.policy.models.base import KeyframePolicy
from equigrasp.policy.nn.vocabulary import Vocabulary
from equigrasp.policy.saved import load_policy
from equigrasp.testing.require import require, require_refusal
from equigrasp.testing.two_level_contract import (
    TwoLevel,
    TwoLevelContract,
    gradients,
    moved_numbers,
    stirred,
)
from equigrasp.weights import save_model

SAMPLES = 4


class PolicyContract(TwoLevelContract):
    """Test methods for a policy; see the module.

    Attributes:
        config: its name, and options for a small one.
        kind: the class, where it is not the one that the name stands for.
    """

    config: ClassVar[Mapping[str, Any]] = {}
    kind: ClassVar[type[KeyframePolicy] | None] = None

    def test_options_are_recorded_and_make_it_again(self) -> None:
        """`config` is JSON and holds name, build and every option; it makes an equal policy."""
        policy = self._made()
        config = json.loads(json.dumps(policy.config))
        require(config == policy.config, f"JSON changes {policy.config} to {config}")
        given = json.loads(json.dumps(dict(self._options())))
        wrong = {name: config.get(name) for name in given if config.get(name) != given[name]}
        require(not wrong, f"options {given} are recorded as {wrong}")
        own = {"name": policy.name, "build": policy.build}
        own["text"] = {"vocabulary": Vocabulary.of(SENTENCES).words}
        wrong = {name: config.get(name) for name in own if config.get(name) != own[name]}
        require(not wrong, f"{own} are recorded as {wrong}")
        options = {name: value for name, value in config.items() if name not in own}
        again = self._class()(Vocabulary.of(SENTENCES), **options).double()
        again.load_state_dict(policy.state_dict())
        require(again.config == config, f"{config} makes a policy of {again.config}")

    def test_saved_and_loaded_it_is_the_same(self) -> None:
        """Weights, card and answers, in float32 as policies are trained."""
        policy = stirred(self._made()).float()
        with tempfile.TemporaryDirectory() as folder:
            save_model(policy, Path(folder) / "model", {"note": "kept"})
            again = self._load(folder)
        require(again.card["note"] == "kept", f"the card is {again.card}")
        require(again.config == policy.config, f"{policy.config} becomes {again.config}")
        require(not again.training, "a loaded policy is in training mode")
        seen = random_observations(dtype=torch.float32)
        first, second = (made.act(seen, candidates=3, steps=2) for made in (policy.eval(), again))
        require(_equal(first, second), f"{first} becomes {second}")

    def test_losses_are_those_that_have_weights(self) -> None:
        """Finite scalars by the names of `loss_weights`."""
        policy = self._made()
        losses = self._losses(policy, random_observations())
        names = sorted(policy.loss_weights)
        require(sorted(losses) == names, f"losses {sorted(losses)}, weights for {names}")
        wrong = {k: v for k, v in losses.items() if v.shape != () or not v.isfinite()}
        require(not wrong, f"these are no finite scalars: {wrong}")

    def test_a_keyframe_is_chosen_for_every_observation(self) -> None:
        """Positions, bins in range, and a gripper that is open or not."""
        chosen = self._made().act(random_observations(), candidates=3, steps=2)
        shapes = [tuple(part.shape) for part in chosen]
        require(shapes == [(3, 3), (3, 3), (3,)], f"shapes of 3 keyframes are {shapes}")
        require(bool(chosen.position.isfinite().all()), f"positions are {chosen.position}")
        inside = bool(((chosen.bins >= 0) & (chosen.bins < BINS)).all())
        require(inside, f"bins are {chosen.bins}, of {BINS}")
        opened = set(chosen.open.tolist())
        require(opened <= {0.0, 1.0}, f"grippers are {opened}")

    def test_draws_are_what_would_be_chosen_of_each_alone(self) -> None:
        """In their order; so no draw depends on the others."""
        policy, seen = stirred(self._made()), random_observations()
        together = policy.draw(seen, 4, steps=2, generator=Generator().manual_seed(2))
        shape = (3, 4, policy.noised)
        start = torch.randn(shape, generator=Generator().manual_seed(2), dtype=torch.float64)
        with torch.no_grad():
            encoded = policy.encode(seen)
            alone = [policy.choose(encoded, one, 2) for one in start.split(1, 1)]
        for found, parts in zip(together, zip(*alone, strict=True), strict=True):
            torch.testing.assert_close(found, torch.stack(parts, 1))

    def test_a_small_cloud_is_the_same_beside_a_large_one(self) -> None:
        """Masked points say nothing, and so do the other observations of a batch."""
        policy, seen = stirred(self._made()), random_observations()
        seen.mask[2, 8:] = False
        noised, step = self._samples()
        beside = _answers(policy, seen, noised, step)
        seen.xyz[2, 8:] += 1.0
        torch.testing.assert_close(_answers(policy, seen, noised, step), beside)
        alone = seen.rows(slice(2, None))
        short = {name: getattr(alone, name)[:, :8] for name in ("xyz", "rgb", "mask")}
        answers = _answers(policy, alone._replace(**short), noised[2:], step[2:])
        torch.testing.assert_close(answers, beside[2:])

    def test_nothing_to_see_gives_finite_losses_and_gradients(self) -> None:
        """An observation without points spoils nothing."""
        policy, seen = self._made(), random_observations()
        seen.mask[1] = False
        sum(self._losses(policy, seen).values()).backward()
        wrong = [k for k, gradient in gradients(policy).items() if not gradient.isfinite().all()]
        require(not wrong, f"gradients are not finite in {wrong}")

    def test_gradients_reach_every_parameter(self) -> None:
        """From the sum of the losses, with samples enough that some come near points."""
        policy = stirred(self._made())
        sum(self._losses(policy, random_observations(), samples=64).values()).backward()
        still = [k for k, gradient in gradients(policy).items() if not gradient.abs().max() > 0]
        require(not still, f"no gradient reaches {still}")

    def test_a_generator_decides_all_that_is_random(self) -> None:
        """Losses and keyframes follow from its seed; torch's own state is left alone."""
        policy, seen = stirred(self._made()), random_observations()

        def run(seed: int) -> list[Tensor]:
            losses = self._losses(policy, seen, seed)
            generator = Generator().manual_seed(seed)
            return [*losses.values(), *policy.act(seen, candidates=4, steps=3, generator=generator)]

        before = torch.get_rng_state()
        first, second, other = run(0), run(0), run(1)
        require(torch.equal(before, torch.get_rng_state()), "it takes numbers from torch's state")
        require(_equal(first, second), f"the same seed gives {first} and {second}")
        positions = len(policy.loss_weights)  # what comes first of the keyframe
        for index in (0, positions):
            require(not torch.equal(first[index], other[index]), f"two seeds give {first[index]}")

    def test_what_makes_no_sense_is_refused(self) -> None:
        """With a ValueError that says why; an unknown option with a TypeError."""
        policy, seen = self._made(), random_observations()
        for what, wrong in (
            ("a sentence without words", seen._replace(sentences=["stack", "?!", "press"])),
            ("too few sentences", seen._replace(sentences=seen.sentences[:2])),
            ("colours of other points", seen._replace(rgb=seen.rgb[:, 1:])),
            ("a state without gripper", seen._replace(state=seen.state[:, :7])),
            ("a mask of numbers", seen._replace(mask=seen.mask.double())),
        ):
            require_refusal(what, lambda wrong=wrong: policy.act(wrong, candidates=2, steps=2))
            require_refusal(what, lambda wrong=wrong: self._losses(policy, wrong))
        require_refusal("no sample", lambda: self._losses(policy, seen, samples=0))
        require_refusal("no candidate", lambda: policy.act(seen, candidates=0))
        require_refusal("no draw", lambda: policy.draw(seen, 0))
        require_refusal("no step", lambda: policy.act(seen, steps=0))
        too_many = policy.noise_steps + 1
        require_refusal("more steps than noise has", lambda: policy.act(seen, steps=too_many))
        foreign = {**self._options(), "no_such_option": 1}
        words = Vocabulary.of(SENTENCES)
        require_refusal(
            "an unknown option", lambda: self._class()(words, **foreign), (TypeError, ValueError)
        )

    def _class(self) -> type[KeyframePolicy]:
        return self.kind or find_policy_class(self.config["name"])

    def _options(self) -> dict[str, Any]:
        return {name: value for name, value in self.config.items() if name != "name"}

    def _made(self) -> KeyframePolicy:
        """In float64, always with the same weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return self._class()(Vocabulary.of(SENTENCES), **self._options()).double()

    def _load(self, folder: str) -> KeyframePolicy:
        return load_policy(folder, kind=self.kind)

    def _losses(
        self, policy: KeyframePolicy, seen: Observations, seed: int = 0, samples: int = SAMPLES
    ) -> dict[str, Tensor]:
        wanted: Actions = random_actions()
        return policy.losses(seen, wanted, samples, Generator().manual_seed(seed))

    def _samples(self) -> tuple[Tensor, Tensor]:
        """Noised samples and steps of the three observations of `random_observations`."""
        policy, generator = self._made(), Generator().manual_seed(1)
        shape = (3, SAMPLES, policy.noised)
        noised = torch.randn(shape, generator=generator, dtype=torch.float64)
        return noised, torch.randint(0, policy.noise_steps, shape[:2], generator=generator)

    def _two_level(self) -> TwoLevel:
        """Noised keyframes of observations; each part of one is changed: points, colours, mask,
        state, sentence, and where they are read the keyframes before."""
        policy, seen = stirred(self._made()), random_observations()
        others: dict[str, Any] = {
            name: seen._replace(**{name: torch.cat([part[:1], part[1:2] + 0.05, part[2:]])})
            for name, part in seen._asdict().items()
            if name in ("xyz", "rgb", "state")
        }
        mask = seen.mask.clone()
        mask[1, ::2] = False
        others["mask"] = seen._replace(mask=mask)
        if policy.options.get("past"):
            others |= _other_pasts(seen)
        others["sentences"] = seen._replace(sentences=[SENTENCES[0], SENTENCES[2], SENTENCES[2]])
        noised, step = self._samples()
        later = (step + policy.noise_steps // 3) % policy.noise_steps
        answers = partial(_answers, policy)
        moved = moved_numbers(noised)
        return TwoLevel(policy, answers, seen, others, replicated, noised, moved, step, later)


def _other_pasts(seen: Observations) -> dict[str, Observations]:
    """Another earlier keyframe, the same ones in another order, and one less, of the second one."""
    moved, swapped, fewer = seen.past.clone(), seen.past.clone(), seen.past_mask.clone()
    moved[1, 0] += 0.05
    swapped[1] = swapped[1].flip(0)
    fewer[1, 1] = False
    return {
        "an earlier keyframe": seen._replace(past=moved),
        "the order of earlier keyframes": seen._replace(past=swapped),
        "a forgotten keyframe": seen._replace(past_mask=fewer),
    }


def _answers(policy: KeyframePolicy, seen: Observations, noised: Tensor, step: Tensor) -> Tensor:
    """All that a policy says of samples, (B, M, numbers)."""
    found = policy.predict(policy.encode(seen), noised, step)
    parts = [found] if isinstance(found, Tensor) else found
    return torch.cat([part.reshape(*step.shape, -1) for part in parts], -1)


def _equal(first: Any, second: Any) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))

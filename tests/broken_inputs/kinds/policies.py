"""Weights of policies that are not what they say, and cards that an agent cannot use."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import load_file

from broken_inputs.case import Case
from broken_inputs.kinds.weights import Change, config, entry, put, value, without
from equigrasp.policy.agent import KeyframeAgent
from equigrasp.policy.models import find_policy_class
from equigrasp.policy.nn.vocabulary import Vocabulary
from equigrasp.policy.saved import load_policy
from equigrasp.weights import save_model

TINY = {"widths": (12, 12), "channels": 24, "head_channels": 12, "patch": 8}
CARD = {"cameras": ["front"], "image_size": 16, "cloud": {}}


@cache
def stored() -> tuple[str, dict[str, torch.Tensor]]:
    """Card as text and tensors of a small policy."""
    with TemporaryDirectory() as folder, torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        policy = find_policy_class("mini_diffuser")(Vocabulary(["push", "it"]), **TINY)
        target = save_model(policy, Path(folder) / "net", CARD)
        return target.with_suffix(".json").read_text(), load_file(target)


def changed(
    change: Change, load: Callable[..., Any] = load_policy, **options: Any
) -> Callable[[Path], Any]:
    """Load a small policy after a change to its card and tensors."""

    def run(folder: Path) -> Any:
        text, tensors = stored()
        card, tensors = json.loads(text), {k: v.clone() for k, v in tensors.items()}
        card = change(card, tensors) or card
        return load(put(folder, json.dumps(card), tensors), **options)

    return run


def lacking(name: str) -> Change:
    return lambda card, tensors: {key: v for key, v in card.items() if key != name}


CASES = [
    Case("NaN", changed(value(float("nan"))), "NaN or infinity in 1 of"),
    Case("edited", changed(config(False, channels=48)), "the card was edited"),
    Case("channels of words", changed(config(channels="many")), "channels is 'many'; give a whole"),
    Case("channels beyond all", changed(config(channels=10**6)), "channels is 1000000; .* to 1024"),
    Case("channels, other size", changed(config(channels=48)), "do not fit"),
    Case("widths of words", changed(config(widths="88")), "widths is '88'; give a list of whole"),
    Case(
        "widths of floats", changed(config(widths=[8.5, 12])), "widths is .8.5, 12.; give a whole"
    ),
    Case("patch zero", changed(config(patch=0)), "patch is 0; give a whole number from 1"),
    Case("noise steps", changed(config(noise_steps=10**9)), "noise_steps is 1000000000; "),
    Case("rope of words", changed(config(rope="no")), "rope is 'no'; give true or false"),
    Case("schedule", changed(config(schedule="rapid")), "schedule is 'rapid'; choose one of"),
    Case(
        "flow of noise",
        changed(config(schedule="flow", prediction="epsilon")),
        "prediction is 'epsilon'; a flow predicts velocities",
    ),
    Case("table NaN", changed(config(table_top=float("nan"))), "table_top is nan; give a finite"),
    Case("no text", changed(without("text")), "has no `text` with a `vocabulary` or `clip`"),
    Case("text of words", changed(config(text="words")), "has no `text` with a `vocabulary`"),
    Case("vocabulary of words", changed(config(text={"vocabulary": "push"})), "a list of words"),
    Case("vocabulary twice", changed(config(text={"vocabulary": ["a", "a"]})), "occurs twice"),
    Case("another build", changed(config(build=1)), "is of build 1 of mini_diffuser"),
    Case("build of words", changed(config(build="new")), "is of build new"),
    Case("a grasp model", changed(config(name="giga")), "no policy is called 'giga'"),
    Case("unknown option", changed(config(colour="red")), r"has no option .'colour'."),
    Case(
        "device", changed(entry(), device="cuda:99"), "no device 'cuda:99' here; this machine has"
    ),
    *(
        Case(f"agent without {name}", changed(lacking(name), KeyframeAgent.load), f"lacks {name}")
        for name in CARD
    ),
    Case("agent's cameras", changed(entry(cameras="front"), KeyframeAgent.load), "give a list"),
]

"""A judge learns what becomes of attempts, as rounds make them.

Labels of data sets are strict: a hand that touches anything on its way has failed, and it reaches
no deeper than predicted. A round executes a grasp deeper and lets it touch, and what stands there
is what earlier grasps have left. So the judge is shown attempts: what it looked at when the planner
proposed a grasp, and whether the grasp held. Encoder, points and rotations stay as they are; what
the judge looks at is therefore recorded once, and no scene is encoded in training.

A hand's circumstances (`equigrasp.calibration`) are fitted beside it and thrown away: calibrating
the new weights finds them again, on other objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from equigrasp.hand import Hand
from equigrasp.models.base import GraspModel
from equigrasp.models.equigiga import EquiGIGA, with_judge
from equigrasp.options import check_fields
from equigrasp.training.metrics import auroc
from equigrasp.training.updates import improve

SLOPES_RATE = 1e-2
"""Learning rate of the map beside the judge: a few numbers, which need larger steps."""
LARGEST_SCORE = 1 - 1e-6


class Judged(Protocol):
    """A model with a judge, all of whose parameters are those of `judge`."""

    hand: Hand
    judge: nn.Module

    def judged_at(self, features: Any, points: Tensor, rotations: Tensor) -> tuple[Tensor, Tensor]:
        """What the judge looks at, (B, Q, S, C) of rotations (B, Q, S, 3, 3) at points (B, Q, 3),
        and logits of quality (B, Q)."""

    def verdict(self, judged: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logit of success (...) of what the judge looks at (..., C), and width in metres (...),
        if the judge tells one."""


def judged_model(model: GraspModel) -> GraspModel:
    """The model if it has a judge, or an EquiGIGA that gets one.

    Args:
        model: trainable; left as it is.

    Raises:
        ValueError: the model has no judge and no place for one.
    """
    if isinstance(model, EquiGIGA) and model.judge is None:
        return with_judge(model)
    if not hasattr(model, "verdict"):
        raise ValueError(
            f"{type(model).__name__} has no judge; name weights of EquiIGD or EquiGIGA"
        )
    return model


@dataclass(frozen=True)
class JudgeSettings:
    """How a judge learns from attempts.

    Attributes:
        epochs: passes over the attempts.
        batch_size: attempts of an update.
        learning_rate: largest of AdamW, which rises to it and falls again over the run.
        weight_decay: of the judge's weights.
        width_weight: of the distance (units of a quarter of the opening) by which predicted widths
            leave those of before.
        grad_clip: largest gradient norm.
        held_out: one in so many scenes is not learned from, but measured; 0 for none.

    Raises:
        ValueError: a value beyond its limits.
    """

    epochs: int = 20
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    width_weight: float = 1.0
    grad_clip: float = 1.0
    held_out: int = 10

    def __post_init__(self) -> None:
        counts = {"epochs": (1, 1000), "batch_size": (1, 10**6), "held_out": (0, 10**6)}
        rates = {"learning_rate": (0.0, 1.0), "weight_decay": (0.0, 10.0), "grad_clip": (0.0, 1e6)}
        check_fields(self, {**counts, **rates, "width_weight": (0.0, 1e6)})


class Attempts(NamedTuple):
    """N attempts at grasps of plans.

    Attributes:
        judged: (N, C) what the judge looked at, see `Judged`.
        quality: (N,) logits at the query points.
        about: (N, 3) circumstances.
        success: (N,) bool, whether the grasp held.
        scene: (N,) number of the scene.
        plan: (N,) number of the plan, of all scenes.
    """

    judged: Tensor
    quality: Tensor
    about: Tensor
    success: Tensor
    scene: Tensor
    plan: Tensor

    def some(self, which: Tensor) -> Attempts:
        """Those at indices, or where a mask (N,) is true."""
        return Attempts(*(part[which] for part in self))


class Promise(nn.Module):
    """From verdicts to logits of success: beta calibration of the score with circumstances."""

    def __init__(self) -> None:
        super().__init__()
        self.slopes = nn.Parameter(torch.tensor([1.0, 1.5]))
        self.pull = nn.Linear(3, 1)
        nn.init.zeros_(self.pull.weight)
        nn.init.zeros_(self.pull.bias)

    def forward(self, confidence: Tensor, quality: Tensor, about: Tensor) -> Tensor:
        """Logits (N,) of logits of confidence and quality (N,) and circumstances (N, 3)."""
        log_score = 0.5 * (F.logsigmoid(confidence) + F.logsigmoid(quality))
        rest = torch.log1p(-log_score.exp().clamp(max=LARGEST_SCORE))
        return self.slopes[0] * log_score - self.slopes[1] * rest + self.pull(about).squeeze(-1)


def tune_judge(
    model: Judged, attempts: Attempts, settings: JudgeSettings | None = None, seed: int = 0
) -> dict[str, float]:
    """Let the judge of a model learn attempts; nothing else of it changes.

    Args:
        model: trainable; its judge is changed.
        attempts: with successes and failures.
        settings: of the learning.
        seed: of the order of attempts.

    Returns:
        of the scenes held out, before and after: "auroc" of the score with circumstances, and
        "best", the share of plans whose best tried grasp holds, in %; "any", that of plans of which
        some tried grasp does; numbers of "attempts" and "held_out" ones; "widths", the mean change
        of predicted widths in mm, if the judge tells any.

    Raises:
        ValueError: all attempts that are learned from end alike.
        FloatingPointError: a gradient is not finite.
    """
    s, generator = settings or JudgeSettings(), Generator().manual_seed(seed)
    held = attempts.scene % s.held_out == 0 if s.held_out else torch.zeros_like(attempts.success)
    learned, measured = attempts.some(~held), attempts.some(held)
    if len(learned.success.unique()) < 2:
        raise ValueError(
            f"{len(learned.success)} attempts are learned from, of which "
            f"{int(learned.success.sum())} held; both outcomes are needed: play more scenes"
        )
    with torch.no_grad():
        widths = model.verdict(learned.judged)[1]
    before = _fitted_map(model, learned)
    told = {f"{k}_before": v for k, v in _measure(model, before, measured).items()}
    promise = _learn(model, learned, widths, s, generator)
    told |= {f"{k}_after": v for k, v in _measure(model, promise, measured).items()}
    if widths is not None:
        with torch.no_grad():
            told["widths"] = 1000 * float((model.verdict(learned.judged)[1] - widths).abs().mean())
    told["any"] = _graspable(measured)
    return {**told, "attempts": float(len(learned.success)), "held_out": float(len(measured.plan))}


def _learn(
    model: Judged, learned: Attempts, widths: Tensor | None, s: JudgeSettings, generator: Generator
) -> Promise:
    """The epochs; the map that was fitted beside the judge."""
    promise, count = Promise().to(learned.judged), len(learned.success)
    groups = [
        {"params": model.judge.parameters(), "weight_decay": s.weight_decay},
        {"params": promise.parameters(), "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=s.learning_rate)
    rates = [s.learning_rate, SLOPES_RATE]
    steps = s.epochs * -(-count // s.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=steps)
    for _ in range(s.epochs):
        for part in torch.randperm(count, generator=generator).split(s.batch_size):
            some = learned.some(part)
            confidence, width = model.verdict(some.judged)
            logits = promise(confidence, some.quality, some.about)
            loss = F.binary_cross_entropy_with_logits(logits, some.success.to(logits))
            if width is not None and widths is not None:
                off = (width - widths[part]).abs().mean() / (0.25 * model.hand.opening)
                loss = loss + s.width_weight * off
            improve(loss, optimizer, s.grad_clip)
            schedule.step()
    return promise


def _fitted_map(model: Judged, learned: Attempts) -> Promise:
    """The map that goes with the judge as it is, fitted on the same attempts."""
    promise = Promise().to(learned.judged)
    with torch.no_grad():
        confidence = model.verdict(learned.judged)[0]
    optimizer = torch.optim.Adam(promise.parameters(), 2e-2)
    for _ in range(400):
        logits = promise(confidence, learned.quality, learned.about)
        loss = F.binary_cross_entropy_with_logits(logits, learned.success.to(logits))
        improve(loss, optimizer, 1.0)
    return promise


@torch.no_grad()
def _measure(model: Judged, promise: Promise, attempts: Attempts) -> Mapping[str, Any]:
    if not len(attempts.success):
        return {"auroc": float("nan"), "best": float("nan")}
    confidence = model.verdict(attempts.judged)[0]
    logits = promise(confidence, attempts.quality, attempts.about)
    best = torch.zeros_like(attempts.success)
    for plan in attempts.plan.unique():
        rows = (attempts.plan == plan).nonzero().squeeze(1)
        best[rows[logits[rows].argmax()]] = True
    return {
        "auroc": auroc(logits, attempts.success),
        "best": 100 * float(attempts.success[best].double().mean()),
    }


def _graspable(attempts: Attempts) -> float:
    """Share of the plans of which some attempt held, in %."""
    plans = len(attempts.plan.unique())
    held = len(attempts.plan[attempts.success].unique())
    return 100 * held / plans if plans else float("nan")

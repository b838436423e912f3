"""Everything about a training run that is neither the model nor the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from equigrasp.options import check_fields, check_list, check_names, is_finite
from equigrasp.training.schedule import SCHEDULES

RESUMABLE = frozenset(
    {"max_minutes", "log_every", "checkpoint_every", "workers", "processes", "progress", "threads"}
)
"""Settings that may change when a run goes on; all others define the run."""


OPTIMIZERS = ("adamw", "adam")
_LATER = frozenset({"optimizer", "schedule", "decay_at", "decay_factor", "betas"})
PRECISIONS = ("32-true", "bf16-mixed")


@dataclass(frozen=True)
class TrainSettings:
    """Optimisation, cadence and hardware.

    Attributes:
        max_steps: length of the run, also of the learning-rate schedule. None: `epochs` decides.
        epochs: passes over the training scenes where `max_steps` is None. With both None the
            length is fitted to `max_minutes`: the rate of steps is measured during warm-up, and
            then the schedule is laid out to end in time.
        max_minutes: stop after this wall time (of this process), whatever the schedule says.
        batch_size: scenes per step and process.
        optimizer: "adamw", or "adam" (weight decay is then a term of the gradient).
        betas: decays of its means of gradients and of their squares.
        learning_rate: peak rate.
        schedule: of the rate after warm-up: "cosine" (half of one, down to `final_rate`), "step"
            (times `decay_factor` after each share of the run in `decay_at`), or "constant".
        final_rate: last rate of "cosine" as a share of the peak.
        decay_at: shares of the run, rising, in (0, 1).
        decay_factor: in (0, 1].
        warmup_steps: linear warm-up.
        weight_decay: of the optimiser.
        grad_clip: largest global gradient norm.
        average_decay: decay of the moving average of the weights; 0 validates the raw weights.
        validate_every: steps between validations; None: once per epoch.
        checkpoint_every: steps between checkpoints `last` (validation makes one anyway).
        log_every: steps per line of `metrics.jsonl`.
        seed: initialisation, order and every draw of the data.
        workers: loader threads.
        processes: loader processes in place of threads, for machines with many cores and a GPU.
        threads: torch threads of the training process; None leaves torch's choice.
        accelerator, devices, num_nodes: handed to Lightning Fabric.
        precision: "32-true", or "bf16-mixed" to encode scenes in bfloat16 (see `TrainingStep`);
            a run warns where the processor is slow at it.
        progress: progress bar on terminals.
    """

    max_steps: int | None = None
    epochs: int | None = 12
    max_minutes: float | None = None
    batch_size: int = 8
    optimizer: str = "adamw"
    betas: tuple[float, float] = (0.9, 0.999)
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    final_rate: float = 0.02
    decay_at: tuple[float, ...] = (0.667, 0.917)
    decay_factor: float = 0.1
    warmup_steps: int = 100
    weight_decay: float = 1e-4
    grad_clip: float = 1.0
    average_decay: float = 0.998
    validate_every: int | None = None
    checkpoint_every: int = 250
    log_every: int = 10
    seed: int = 0
    workers: int = 1
    processes: int = 0
    threads: int | None = None
    accelerator: str = "auto"
    devices: int = 1
    num_nodes: int = 1
    precision: str = "32-true"
    progress: bool = True

    def __post_init__(self) -> None:
        check_fields(self, {}, skip=("devices",))  # which Fabric takes in other forms too
        if self.max_steps is None and self.epochs is None and self.max_minutes is None:
            raise ValueError(
                "max_steps, epochs and max_minutes are all null, so the run has no end; set one"
            )
        for name in ("max_steps", "epochs", "max_minutes", "validate_every"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} is {value}; it must be positive or null")
        for name in ("batch_size", "checkpoint_every", "log_every", "learning_rate", "grad_clip"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be positive")
        if self.precision not in PRECISIONS:
            raise ValueError(
                f"precision is {self.precision!r}; choose one of {', '.join(PRECISIONS)}"
            )
        self._check_schedule()
        self._check_betas()
        if not 0 <= self.average_decay < 1:
            raise ValueError(f"average_decay is {self.average_decay}; it must lie in [0, 1)")
        if not 0 <= self.final_rate <= 1:
            raise ValueError(f"final_rate is {self.final_rate}; it is a share of the peak rate")

    def _check_schedule(self) -> None:
        for name, choices in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}; choose one of {', '.join(choices)}"
                )
        shares = list(self.decay_at)
        if shares != sorted(shares) or not all(0 < share < 1 for share in shares):
            raise ValueError(f"decay_at is {shares}; give rising shares of the run within (0, 1)")
        if not 0 < self.decay_factor <= 1:
            raise ValueError(f"decay_factor is {self.decay_factor}; it must lie in (0, 1]")

    def _check_betas(self) -> None:
        betas = tuple(check_list(self.betas, "betas"))
        if len(betas) != 2 or not all(is_finite(beta) and 0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas is {list(betas)}; give two numbers within [0, 1)")
        object.__setattr__(self, "betas", betas)  # YAML has lists

    @classmethod
    def of(cls, values: Mapping[str, Any], seed: int) -> TrainSettings:
        """Settings from the `trainer` block of a configuration, and the run's seed.

        Raises:
            ValueError: unknown names, or values beyond their limits.
        """
        if not isinstance(values, Mapping):
            raise ValueError(f"trainer is {values!r}; give settings by name")
        check_names(cls, values)
        return cls(**{**values, "seed": seed})

    def identity(self) -> dict[str, Any]:
        """The settings that must not change between a checkpoint and its resumption.

        Those that early runs did not have are left out where they are as they were then.
        """
        settings, default = asdict(self), asdict(TrainSettings())
        return {
            key: value
            for key, value in settings.items()
            if key not in RESUMABLE and not (key in _LATER and value == default[key])
        }

    def planned_steps(self, steps_per_epoch: int) -> int | None:
        """Length of the run in steps, None where it has to be fitted to `max_minutes`."""
        if self.max_steps is not None:
            return self.max_steps
        return None if self.epochs is None else self.epochs * steps_per_epoch

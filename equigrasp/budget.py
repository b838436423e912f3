"""A plan that is short of time: what it leaves out, in which order, and how it says so.

Encoding the scene and asking for its quality cannot be left out. What comes after is worth less
and can: first the refinement of peaks, then rotations beyond the first at each of them, then looks
at the surface. What one of them takes is told from the time that the quality took in this plan.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from equigrasp.detection import DetectionConfig
from equigrasp.options import check_option
from equigrasp.plan_result import Stopwatch

LIMITS = {"time_budget": (1e-6, 3600.0)}
"""(smallest, largest) number of seconds."""
SAMPLE = 12.0
"""A sampled rotation takes about as long as this many points at which the quality is asked."""
ROUND = 7
"""Points that a peak asks in each step of its refinement, and once before."""


@dataclass
class Budget:
    """The time of one plan.

    Attributes:
        clock: of the plan.
        seconds: that it may take; None for as many as it takes.
        shortened: what was left out, in words, by keys of `equigrasp.plan_result.SHORTENED`.
    """

    clock: Stopwatch
    seconds: float | None = None
    shortened: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_option("time_budget", self.seconds, "float | None", LIMITS)

    @property
    def left(self) -> float:
        """Seconds; negative where it is overdrawn."""
        if self.seconds is None:
            return float("inf")
        return self.seconds - self.clock.elapsed()

    def predictions(
        self, config: DetectionConfig, peaks: int, asked: int, *, samples: bool
    ) -> DetectionConfig:
        """The thresholds with what can still be paid for of refinement and sampled rotations.

        Args:
            config: as wished.
            peaks: number of them.
            asked: points at which the quality was asked until now.
            samples: whether the model samples rotations.
        """
        if self.seconds is None or not peaks:
            return config
        point = self.clock.lapped("query") / max(asked, 1)
        sample = SAMPLE * point * peaks
        wished = config.num_samples if samples else 1
        refined = ROUND * point * peaks * (config.refine_steps + 1)
        if config.refine_steps and refined + wished * sample > self.left:
            told = f"peaks were not refined ({config.refine_steps} steps)"
            self.shortened["refinement"] = told
            config = replace(config, refine_steps=0)
        refined = refined if config.refine_steps else 0.0
        count = min(wished, max(1, int((self.left - refined) / sample))) if sample else wished
        if count < wished:
            self.shortened["samples"] = f"{count} of {wished} rotations were sampled at each peak"
            config = replace(config, num_samples=count)
        return config

    def looks(self, config: DetectionConfig) -> DetectionConfig:
        """The thresholds with no look at clearance and unseen space if no time is left."""
        if self.left > 0 or (config.clearance is None and config.unseen == "free"):
            return config
        self.shortened["clearance"] = "hands were not checked for touching what was seen"
        return replace(config, clearance=None, unseen="free")

    def measures(self) -> bool:
        """Whether there is time to measure clearances and clusters."""
        if self.left > 0:
            return True
        self.shortened["measures"] = "clearances and clusters were not measured"
        return False

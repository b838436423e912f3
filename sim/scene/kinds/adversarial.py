"""Adversarial scenes: piles of shapes that are hard to grasp.

After the code of Edge Grasp (Huang et al. 2023), which drops the EGAD set (Morrison et al. 2020) as
piles are dropped. A user's own EGAD folder is given with `--objects`; it is for testing alone.
"""

from __future__ import annotations

from sim.objects.rule import EgadSizes, ObjectRule
from sim.scene.kind import SceneKind
from sim.scene.kinds.pile import build

SCALES = (0.8, 0.9)

ADVERSARIAL = SceneKind(
    name="adversarial",
    description="adversarial shapes dropped into a heap",
    objects=ObjectRule(
        folder="adversarial",
        seed_number=2,
        sizes=EgadSizes(),
        families={"wedge": 2, "spool": 1, "bracket": 2, "elbow": 2, "pebble": 1, "block": 1},
        sets="adversarial",
        test_only=True,
    ),
    build=build,
    scales=SCALES,
    seconds=0.5,
    like="pile",
)

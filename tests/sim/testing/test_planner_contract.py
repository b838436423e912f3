"""The planners that come with the project keep the contract, and it tells those that do not."""

from dataclasses import replace

import numpy as np
import pytest

from equigrasp.grasp import Grasp
from equigrasp.plan_result import PlanResult
from sim.clutter.planner import ClutterPlanner
from sim.testing.planner_contract import PlannerContract


class TestAntipodal(PlannerContract):
    model = "antipodal"

    def test_an_image_upside_down_is_a_fault_of_the_set_up(self):
        with self._seen() as seen:
            flipped = replace(seen, depth=seen.depth[::-1].copy())
            plan = self._made().plan(flipped)
        assert (plan.reason, plan.grasps) == ("check_setup", [])
        assert "flipped" in plan.table.reason


class TestOracle(PlannerContract):
    model = "oracle"


class TestGiga(PlannerContract):
    model = "giga_packed"


class TestEquiigd(PlannerContract):
    model = "equiigd_packed"


class Fixed(ClutterPlanner):
    """Always the same grasp; subclasses break one rule each."""

    grasp = Grasp(np.array([0.15, 0.15, 0.1]), np.diag([1.0, -1.0, -1.0]), 0.05, 0.5)

    @classmethod
    def from_settings(cls, settings, hand):
        return cls()

    def plan(self, seen):
        return PlanResult(self.offers(seen), "ok", {"total": 0.0}, np.zeros((0, 0, 0), "f4"))

    def offers(self, seen):
        return [self.grasp] if np.any(seen.depth) else []


class Outside(Fixed):
    grasp = replace(Fixed.grasp, position=np.array([0.15, 0.15, 0.5]))


class TooWide(Fixed):
    grasp = replace(Fixed.grasp, width=0.2)


class Unranked(Fixed):
    def offers(self, seen):
        return [replace(self.grasp, score=score) for score in (0.1, 0.9)]


class Moody(Fixed):
    def offers(self, seen):
        self.grasp = replace(self.grasp, width=0.9 * self.grasp.width)
        return [self.grasp]


class Seer(Fixed):
    def offers(self, seen):
        return [self.grasp]


class Meddler(Fixed):
    def offers(self, seen):
        seen.depth[:] = 1.0
        return [self.grasp]


def broken_rules(kind):
    """Names of the contract's tests that a planner fails."""
    contract = PlannerContract()
    contract.planner = kind
    names = [name for name in dir(contract) if name.startswith("test_") and "worker" not in name]
    failed = []
    for name in names:
        try:
            getattr(contract, name)()
        except AssertionError:
            failed.append(name)
    return failed


@pytest.mark.parametrize(
    ("kind", "rules"),
    [
        (Fixed, []),
        (Outside, ["test_grasps_are_finite_ranked_and_in_the_workspace"]),
        (TooWide, ["test_grasps_are_finite_ranked_and_in_the_workspace"]),
        (
            Unranked,
            [
                "test_an_empty_image_is_answered",
                "test_grasps_are_finite_ranked_and_in_the_workspace",
            ],
        ),
        (Moody, ["test_an_empty_image_is_answered", "test_equal_views_give_equal_grasps"]),
        (Seer, ["test_an_empty_image_is_answered"]),
        (Meddler, ["test_an_empty_image_is_answered", "test_it_leaves_alone_what_it_sees"]),
    ],
)
def test_the_contract_finds_what_is_wrong(kind, rules):
    assert broken_rules(kind) == rules

"""A grasp model whose samples or points see each other is told by the contract."""

import pytest

from equigrasp.models.equiigd import EquiIGD
from equigrasp.models.igd import IGD
from equigrasp.testing import ModelContract

SMALL = {"resolution": 8, "channels": 4, "hidden": 8, "blocks": 1, "flow_hidden": 8}
EXACT = {"resolution": 8, "fields": 2, "hidden_fields": 4, "flow_fields": 2, "flow_blocks": 1}


class Leaky(IGD):
    """Samples of a point see each other."""

    def predict(self, context, noised, time):
        return super().predict(context, noised, time) + noised.mean(1, keepdim=True)


class Crowded(EquiIGD):
    """Points see each other."""

    def context(self, seen):
        return super().context(seen + seen.mean(0))


@pytest.mark.parametrize(
    ("broken", "config", "check", "message"),
    [
        (Leaky, SMALL, "a_sample_changes_its_own_answer_alone", "changes the answers of"),
        (Leaky, SMALL, "samples_beside_each_other_equal_one_by_one", "not close"),
        (Crowded, EXACT, "a_condition_changes_its_own_answers_alone", "features of"),
    ],
)
def test_what_is_broken_is_told(broken, config, check, message):
    contract = type("Contract", (ModelContract,), {"kind": broken, "config": config})()
    with pytest.raises(AssertionError, match=message):
        getattr(contract, f"test_{check}")()

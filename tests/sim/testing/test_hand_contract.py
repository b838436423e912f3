"""The hands that come with the project keep the contract, and it tells those that do not."""

from dataclasses import replace

import pytest

from equigrasp.hand import PANDA, Box, load_hand
from sim.testing.hand_contract import HandContract


class TestPanda(HandContract):
    hand = PANDA


class TestRobotiq(HandContract):
    hand = load_hand("robotiq_2f85")


class TestPandaInMujoco(HandContract):
    hand = PANDA
    simulator = "mujoco"


class TestRobotiqInMujoco(HandContract):
    hand = load_hand("robotiq_2f85")
    simulator = "mujoco"


@pytest.mark.parametrize(
    ("wrong", "rule", "said"),
    [
        ({"palm_box": Box((-0.02, -0.1, -0.14), (0.02, 0.1, -0.046))}, "its_shapes", "the palm"),
        ({"finger_box": Box((-0.02, 0, -0.046), (0.02, 0.026, 0))}, "its_shapes", "the left"),
        ({"finger_depth": 0.06}, "its_shapes", "before the tips, the finger depth is 0.06 m"),
        ({"tcp_from_base": 0.109}, "the_tcp", "beyond the TCP"),
        ({"friction": 0.01}, "it_lifts", "a box of 0.5 times the opening.*success=False"),
    ],
)
def test_the_contract_finds_what_is_wrong(wrong, rule, said):
    contract = HandContract()
    contract.hand = replace(PANDA, **wrong)
    (name,) = [name for name in dir(contract) if name.startswith(f"test_{rule}")]
    with pytest.raises(AssertionError, match=said):
        getattr(contract, name)()

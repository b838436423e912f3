import pytest

from equigrasp.hand import Hand
from equigrasp.policy.keyframes.dataset import Augmentation
from equigrasp.training.instantiate import instantiate, target_of


def test_a_block_is_called_with_its_options():
    made = instantiate({"_target_": "equigrasp.policy.keyframes.dataset.Augmentation", "yaw": 0.5})
    assert made == Augmentation(yaw=0.5)
    assert target_of({"_target_": "equigrasp.hand.Hand"}) is Hand


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("os.system", "only names below"),
        ("", "only names below"),
        ("equigrasp.nowhere.Thing", "which there is not"),
        ("equigrasp.hand.Claw", "which there is not"),
    ],
)
def test_what_may_not_be_called_is_refused_by_name(target, message):
    for function in (target_of, instantiate):
        with pytest.raises(ValueError, match=message):
            function({"_target_": target})

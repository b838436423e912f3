"""What a class remembers of its constructor's arguments."""

import inspect
import json
from dataclasses import fields

import pytest
from omegaconf import OmegaConf

from equigrasp.detection import RANGES, DetectionConfig
from equigrasp.hand import PANDA
from equigrasp.options import plain_value, records_options
from equigrasp.policy.models import policy_classes
from equigrasp.registry import model_classes


@records_options(exclude=("shared",))
class Base:
    def __init__(self, size=3, *, names=("a", "b"), hand=PANDA, shared=None):
        self.size = size


@records_options()
class Derived(Base):
    def __init__(self, size, extra="x"):
        super().__init__(size + 1)
        self.extra = extra


class Inheriting(Base):
    pass


def test_defaults_are_recorded_and_excluded_arguments_are_not():
    options = Base(5).options
    assert options == {"size": 5, "names": ["a", "b"], "hand": PANDA.to_dict()}
    assert json.loads(json.dumps(options)) == options
    assert Inheriting(names=["c"]).options["names"] == ["c"]


def test_a_subclass_records_its_own_arguments():
    assert Derived(1).options == {"size": 1, "extra": "x"}


def test_containers_of_a_configuration_become_plain():
    found = plain_value(OmegaConf.create({"filters": [1, 2], "hand": {"name": "mine"}}))
    assert found == {"filters": [1, 2], "hand": {"name": "mine"}}
    assert type(found["filters"]) is list


def test_excluding_what_is_no_parameter_is_refused():
    with pytest.raises(TypeError, match=r"has no parameters \['bank'\]"):

        @records_options(exclude=("bank",))
        class Wrong:
            def __init__(self):
                pass


CLASSES = {**model_classes(), **policy_classes()}


@pytest.mark.parametrize("name", CLASSES)
def test_every_whole_number_of_a_configuration_has_limits(name):
    """A card cannot ask for more than fits into memory."""
    kind = CLASSES[name]
    counts = {
        parameter.name
        for parameter in inspect.signature(kind).parameters.values()
        if str(parameter.annotation).startswith(("int", "tuple[int", "Sequence[int"))
    }
    assert counts <= set(kind.option_limits)
    assert all(high < 10**5 for low, high in (kind.option_limits[count] for count in counts))


def test_every_number_of_the_detection_has_limits():
    numbers = {each.name for each in fields(DetectionConfig) if each.type[:3] in ("int", "flo")}
    assert numbers == set(RANGES)
    for name, (low, high) in RANGES.items():
        default = getattr(DetectionConfig(), name)
        assert default is None or low <= default <= high

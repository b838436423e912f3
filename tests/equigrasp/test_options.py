"""What a class remembers of its constructor's arguments."""

import json

import pytest
from omegaconf import OmegaConf

from equigrasp.hand import PANDA
from equigrasp.options import plain_value, records_options


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

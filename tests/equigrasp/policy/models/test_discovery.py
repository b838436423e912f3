"""A new policy is one file in `equigrasp/policy/models`, and one in `configs/model`."""

import sys

import pytest
import yaml

import equigrasp.policy.models as package
from equigrasp.policy.models import find_policy_class, policy_classes
from equigrasp.policy.nn.vocabulary import Vocabulary
from equigrasp.policy.training import build_policy

SOURCE = """
from equigrasp.options import records_options
from equigrasp.policy.models.mini_diffuser import MiniDiffuser

@records_options(exclude=("words",))
class Tiny(MiniDiffuser):
    name = "tiny"

    def __init__(self, words, *, width=24):
        super().__init__(words, widths=(width, width), channels=width, head_channels=12, patch=8)
"""


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """The name of a policy whose file lies beside those of the package."""
    (tmp_path / "tiny.py").write_text(SOURCE)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    yield "tiny"
    sys.modules.pop("equigrasp.policy.models.tiny", None)
    vars(package).pop("tiny", None)


def test_a_file_is_all_that_a_new_policy_needs(tiny):
    assert list(policy_classes()) == ["diffuser_actor", "mini_diffuser", "tiny"]
    assert find_policy_class(tiny).__name__ == "Tiny"
    block = yaml.safe_load("{_target_: equigrasp.policy.models.tiny.Tiny, width: 12}")
    policy = build_policy(block, Vocabulary(["push"]))
    assert policy.options == {"width": 12}
    assert policy.config["name"] == tiny


def test_an_unknown_name_is_refused_with_those_that_are_known():
    with pytest.raises(ValueError, match="known policies: diffuser_actor, mini_diffuser"):
        find_policy_class("tiny")

import importlib

import pytest

from equigrasp.hand import PANDA
from equigrasp.models.base import GraspField, GraspModel
from equigrasp.models.sampling import SamplingModel
from equigrasp.registry import build_model, model_classes


def test_every_model_file_is_registered_and_buildable():
    assert "equigiga" in sorted(model_classes())
    for name in sorted(model_classes()):
        assert importlib.import_module(f"equigrasp.models.{name}")


def test_config_rebuilds_the_same_model():
    model = build_model("equigiga", resolution=24, fields=2, head_fields=4, side_features="sum")
    options = {k: v for k, v in model.config.items() if k != "name"}
    twin = build_model(model.config["name"], **options)
    assert twin.config == model.config
    assert model.config["hand"] == PANDA.to_dict()
    assert (model.config["workspace_side"], model.config["table_height"]) == (0.3, 0.05)
    shapes = [p.shape for p in model.parameters()]
    assert shapes == [p.shape for p in twin.parameters()]


def test_unknown_names_and_options_are_named():
    with pytest.raises(ValueError, match="known models: .*equigiga"):
        build_model("gigagiga")
    with pytest.raises(ValueError, match=r"no option \['widths'\]"):
        build_model("equigiga", widths=3)
    with pytest.raises(ValueError, match="no model is called 'losses'"):
        build_model("losses")


@pytest.mark.parametrize("name", sorted(model_classes()))
def test_no_model_takes_a_grid_that_cannot_be(name):
    with pytest.raises(ValueError, match="encoding is 'inverted'"):
        build_model(name, encoding="inverted")
    with pytest.raises(ValueError, match="resolution (is )?0"):
        build_model(name, resolution=0)


class Undecided(SamplingModel):
    """Encodes, and says nothing of how it samples."""

    def encode(self, tsdf):
        return (tsdf,)


class Mute(GraspModel):
    def encode(self, tsdf):
        return (tsdf,)


class Complete(Mute):
    def query_raw(self, features, points, outputs):
        return GraspField()


def test_incomplete_models_cannot_be_constructed():
    settings = {"resolution": 8, "encoding": "full", "query_setback": 0.0}
    with pytest.raises(TypeError, match="query_raw"):
        Mute(**settings)
    with pytest.raises(TypeError, match="attend, flow_terms, judgement, occupancy_at, prior"):
        Undecided(**settings)
    model = Complete(**settings)
    assert model.resolution == 8
    with pytest.raises(TypeError, match="Complete does not know its options; decorate it"):
        _ = model.config

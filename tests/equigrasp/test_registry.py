import pytest

from equigrasp.models.base import GraspField, GraspModel
from equigrasp.models.sampling import SamplingModel
from equigrasp.registry import build_model, model_classes


def test_a_model_lies_in_the_file_of_its_name():
    assert {"equigiga", "equiigd", "giga", "igd", "vgn"} <= set(model_classes())
    for name, kind in model_classes().items():
        assert (kind.name, kind.__module__) == (name, f"equigrasp.models.{name}")


def test_unknown_names_and_options_are_named():
    with pytest.raises(ValueError, match="known models: .*equigiga"):
        build_model("gigagiga")
    with pytest.raises(ValueError, match=r"no option \['widths'\]"):
        build_model("equigiga", widths=3)
    with pytest.raises(ValueError, match="no model is called 'losses'"):
        build_model("losses")


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
    with pytest.raises(TypeError, match="judgement, occupancy_at, predict, prior, quality_at"):
        Undecided(**settings)
    model = Complete(**settings)
    assert model.resolution == 8
    with pytest.raises(TypeError, match="Complete does not know its options; decorate it"):
        _ = model.config

import torch

from equigrasp.models.equigiga import EquiGIGA
from equigrasp.nn.freeze import freeze
from equigrasp.nn.steerable import SteerableMap
from equigrasp.testing import synthetic_tsdf


def modules_of(model):
    return {type(module).__module__.split(".")[0] for module in model.modules()}


def test_frozen_copy_is_plain_torch_with_the_same_output():
    points = torch.rand(1, 50, 3) - 0.5
    scene = synthetic_tsdf(24)
    for side_features, deform in [("induced", "full"), ("sum", "orbit"), ("plain", "none")]:
        model = EquiGIGA(
            resolution=24,
            fields=4,
            head_fields=8,
            head_blocks=2,
            side_features=side_features,
            deform_xy=deform,
            deform_side=deform,
        )
        frozen = freeze(model)
        with torch.no_grad():
            before = model.query_raw(model.encode(scene), points)
            after = frozen.query_raw(frozen.encode(scene), points)
        for name in ("quality", "rotation", "width"):
            assert (getattr(before, name) - getattr(after, name)).abs().max() < 1e-5
        assert not any(isinstance(module, SteerableMap) for module in frozen.modules())
        assert modules_of(frozen) <= {"torch", "equigrasp"}
        assert not any(p.requires_grad for p in frozen.parameters())
        assert all(p.requires_grad for p in model.parameters())

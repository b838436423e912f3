import pytest
import torch

from equigrasp.nn.blocks import FieldNorm
from equigrasp.nn.fields import FieldType
from equigrasp.nn.kernel_basis import BasisBank
from equigrasp.nn.layers import CHOICES, Layers
from equigrasp.nn.steerable import SteerableConv, SteerableMap
from equigrasp.nn.triplane import TriPlaneEncoder
from equigrasp.testing import (
    act_on_channels,
    act_on_plane,
    synthetic_tsdf,
    turn_grid,
    turn_points,
)

DEFAULTS = {
    "fields": 4,
    "depth": 3,
    "side_features": "induced",
    "deform_xy": "none",
    "deform_side": "none",
    "norm": "group",
    "encoding": "full",
}


def encoder(resolution=24, **changes):
    torch.manual_seed(0)
    return TriPlaneEncoder(resolution, **{**DEFAULTS, **changes}, bank=BasisBank())


@pytest.mark.parametrize("side_features", ["induced", "sum"])
@pytest.mark.parametrize("norm", ["group", "none"])
def test_planes_turn_with_the_scene(side_features, norm):
    net = encoder(side_features=side_features, norm=norm).double()
    scene = synthetic_tsdf(24, 2).double()
    with torch.no_grad():
        still, turned = net(scene), net(turn_grid(scene))
    side = net.rule.output_field(4)
    assert torch.allclose(turned.xy, act_on_plane(still.xy, FieldType("C4", regular=4)), atol=1e-10)
    assert torch.allclose(turned.side_a, act_on_plane(still.side_b, side), atol=1e-10)
    assert torch.allclose(turned.side_b, still.side_a, atol=1e-10)


@pytest.mark.parametrize(
    ("name", "value"), [(name, choices[1]) for name, choices in CHOICES.items()]
)
def test_planes_turn_with_the_scene_whatever_the_layers(name, value):
    """Each published choice alone, with planes that differ by it, read where the scene is."""
    net = encoder(layers=Layers.of({name: value}), norm="nowhere", deform_side="full").double()
    scene = synthetic_tsdf(24, 2).double()
    points = torch.rand(2, 30, 3, dtype=torch.float64) - 0.5
    with torch.no_grad():
        still, turned = net(scene), net(turn_grid(scene))
        here, there = net.at(still, points), net.at(turned, turn_points(points))
        ours = encoder(norm="nowhere", deform_side="full").double()
        if name not in ("inputs", "kernels", "fusion"):  # of which layers have other shapes
            ours.load_state_dict(net.state_dict(), strict=False)
        other = ours.at(ours(scene), points)
    field = net.point_field
    assert torch.allclose(there, act_on_channels(here, field, 1, dim=2), atol=1e-10)
    assert (here - other).abs().max() > 1e-3


def test_a_separate_lifting_is_one_of_the_side_planes():
    shared, separate = encoder(), encoder(layers=Layers(lifting="separate"))
    extra = {name for name in separate.state_dict() if name not in shared.state_dict()}
    assert extra == {"lift_sides.coefficients.trivial_regular", "lift_sides.bias"}


def test_unknown_layers_are_refused():
    with pytest.raises(ValueError, match="layers.pool is 'median'; use one of max, average"):
        Layers.of({"pool": "median"})
    with pytest.raises(ValueError, match="no entry \\['pooling'\\]"):
        Layers.of({"pooling": "max"})


@pytest.mark.parametrize("side_features", ["induced", "sum", "plain"])
@pytest.mark.parametrize("encoding", ["full", "published"])
@pytest.mark.parametrize(("kernels", "loudest"), [("all", 4), ("orbits", 5)])
def test_activations_start_at_unit_scale(side_features, encoding, kernels, loudest):
    """Orthonormal kernels ("orbits") say a little more to smooth planes than escnn's, and as much
    to noise."""
    layers = Layers.of({"kernels": kernels})
    net = encoder(40, fields=8, side_features=side_features, encoding=encoding, layers=layers)
    scales = {}

    def watch(name):
        return lambda _, __, out: scales.__setitem__(name, float(out.std()))

    watched = (SteerableMap, FieldNorm, torch.nn.Conv2d, torch.nn.ConvTranspose2d)
    for name, module in net.named_modules():
        if isinstance(module, watched) and "exchange" not in name and name != "lift":
            module.register_forward_hook(watch(name))
    scene = synthetic_tsdf(40, 2)
    if encoding == "published":
        scene = torch.where(scene == 1, torch.zeros_like(scene), scene)
    with torch.no_grad():
        net(scene)
        lifted = SteerableConv.forward(net.lift, net.voxel_features(scene))
    assert len(scales) > 30
    assert min(scales.values()) > 0.3
    assert max(scales.values()) < loudest
    assert 0.1 < lifted.std() < 3  # the volume is mostly empty


@pytest.mark.parametrize("kernels", CHOICES["kernels"])
def test_lifted_scenes_start_at_twice_the_power_of_the_volume_whichever_kernels_there_are(kernels):
    """Each kernel's coefficients have the spread that gives white noise this power; scenes, which
    are anything but white, keep it to within a factor of two."""
    noise, scene, wanted = [], [], 2.0
    for seed in range(8):
        torch.manual_seed(seed)
        bank, layers = BasisBank(), Layers.of({"kernels": kernels})
        options = {**DEFAULTS, "fields": 8, "depth": 1, "layers": layers}
        net = TriPlaneEncoder(24, **options, bank=bank)
        seen = net.voxel_features(synthetic_tsdf(24, 2))
        for powers, volume in ((noise, torch.randn_like(seen)), (scene, seen)):
            lifted = SteerableConv.forward(net.lift, volume)[..., 1:-1, 1:-1, 1:-1]
            power = volume[..., 1:-1, 1:-1, 1:-1].pow(2).mean()
            powers.append(float(lifted.detach().pow(2).mean() / power))
    assert sum(noise) / len(noise) == pytest.approx(wanted, rel=0.15)
    assert wanted / 2 < sum(scene) / len(scene) < wanted * 2


def test_features_depend_on_the_scene_more_than_on_constants():
    """The published side features vary by under 1.5 % between scenes at initialisation."""
    net = encoder(resolution=40, fields=8)
    with torch.no_grad():
        planes = net(synthetic_tsdf(40, 2))
    for plane in planes:
        change = (plane[0] - plane[1]).norm() / plane[0].norm()
        assert change > 0.2


def test_depth_and_resolution_must_fit():
    with pytest.raises(ValueError, match="multiple of 4"):
        encoder(resolution=42)
    with pytest.raises(ValueError, match="side_features is 'both'"):
        encoder(side_features="both")
    with pytest.raises(ValueError, match="encoding is 'tsdf'"):
        encoder(encoding="tsdf")
    with pytest.raises(ValueError, match="norm is 'batch'"):
        encoder(norm="batch")


def test_sixty_voxels_pass_through_three_levels():
    net = encoder(resolution=60, fields=2)
    with torch.no_grad():
        planes = net(torch.rand(1, 60, 60, 60))
    assert planes.xy.shape == (1, 8, 60, 60)
    assert planes.side_a.shape == planes.side_b.shape == (1, 8, 60, 60)


def test_features_at_points_have_the_declared_type():
    for side_features in ("induced", "sum", "plain"):
        net = encoder(side_features=side_features)
        with torch.no_grad():
            at = net.at(net(torch.rand(2, 24, 24, 24)), torch.zeros(2, 5, 3))
        assert at.shape == (2, 5, net.point_field.channels)

"""GIGA: the published network in size, registration and names; not equivariant."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from equigrasp import build_model, load_model
from equigrasp.models.giga_checkpoint import load_published_giga
from equigrasp.nn.plain import Planes, PlaneUNet, read_planes
from equigrasp.testing import equivariance_error


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build_model("giga")


def test_size_is_the_published_one(model):
    assert sum(p.numel() for p in model.encoder.unet.parameters()) == 475_904
    assert sum(p.numel() for p in model.parameters()) == 581_863  # published as 0.60 M


def test_reading_agrees_with_scipy():
    """Pixel i of a plane, stored (second, first), stands at i / (N - 1) of the cube."""
    generator = torch.Generator().manual_seed(0)
    planes = Planes(*(torch.rand(1, 2, 40, 40, generator=generator) for _ in range(3)))
    points = torch.rand(1, 50, 3, generator=generator) - 0.5
    found = read_planes(planes, points)[0]
    pixel = ((points[0] / (1 + 1e-5) + 0.5) * 39).numpy()
    axes = [(0, 2), (0, 1), (1, 2)]
    for index, (plane, (first, second)) in enumerate(zip(planes, axes, strict=True)):
        for channel in range(2):
            where = [pixel[:, second], pixel[:, first]]
            expected = map_coordinates(plane[0, channel].numpy(), where, order=1, mode="nearest")
            actual = found[:, 2 * index + channel]
            torch.testing.assert_close(actual, torch.from_numpy(expected), rtol=0, atol=1e-5)


def published_planes(weights, tsdf):
    """Planes (C, second, first) from a checkpoint's tensors alone, by name of their axes."""

    def conv(x, name, padding=1):
        name = f"encoder.unet.{name}"
        return F.conv2d(x, weights[name + ".weight"], weights[name + ".bias"], padding=padding)

    def twice(x, name):
        return conv(conv(x, name + ".conv1").relu(), name + ".conv2").relu()

    first, bias = weights["encoder.conv_in.weight"], weights["encoder.conv_in.bias"]
    volume = F.conv3d(tsdf[None, None], first, bias, padding=1).relu()[0]
    planes = {}
    for axes, missing in (("xz", 2), ("xy", 3), ("yz", 1)):
        x, skips = volume.mean(missing).mT[None], []
        for level in range(3):
            if level:
                x = x.unflatten(2, (-1, 2)).unflatten(4, (-1, 2)).amax((3, 5))
            x = twice(x, f"down_convs.{level}")
            skips.append(x)
        for level, skip in enumerate((skips[1], skips[0])):
            up = f"up_convs.{level}.upconv"
            spread = torch.einsum("bcij,coxy->boixjy", x, weights[f"encoder.unet.{up}.weight"])
            x = spread.flatten(4).flatten(2, 3)
            x = x + weights[f"encoder.unet.{up}.bias"][:, None, None]
            x = twice(torch.cat([x, skip], 1), f"up_convs.{level}")
        planes[axes] = conv(x, "conv_final", 0)[0]
    return planes


def published_decoder(weights, name, points, features):
    """One decoder's answer (Q, channels) from a checkpoint's tensors alone."""

    def linear(x, part):
        return x @ weights[f"{name}.{part}.weight"].T + weights[f"{name}.{part}.bias"]

    x = linear(points, "fc_p")
    for block in range(5):
        x = x + linear(features, f"fc_c.{block}")
        inner = linear(x.relu(), f"blocks.{block}.fc_0").relu()
        x = x + linear(inner, f"blocks.{block}.fc_1")
    return linear(x.relu(), "fc_out")


def test_the_whole_network_agrees_with_the_published_arithmetic(model):
    """In double precision, with weights that leave no block the identity."""
    model = model.double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=parameter.shape[-1] ** -0.5 if parameter.dim() == 2 else 0.1)
    weights = model.state_dict()
    tsdf = torch.rand(40, 40, 40, dtype=torch.float64)
    points = torch.rand(50, 3, dtype=torch.float64) - 0.5
    columns = []
    for axes, plane in published_planes(weights, tsdf).items():
        first, second = (39 * (points[:, "xyz".index(a)] / (1 + 1e-5) + 0.5) for a in axes)
        where = [second.numpy(), first.numpy()]
        columns += [map_coordinates(c.numpy(), where, order=1, mode="nearest") for c in plane]
    features = torch.from_numpy(np.stack(columns, -1))
    with torch.no_grad():
        raw = model.query_raw(model.encode(tsdf[None]), points[None], model.outputs)
    expected = {
        output: published_decoder(weights, f"decoder_{part}", points, features)
        for output, part in zip(model.outputs, ("qual", "rot", "width", "tsdf"), strict=True)
    }
    expected["rotation"] = torch.from_numpy(Rotation.from_quat(expected["rotation"]).as_matrix())
    expected["width"] = 0.3 * expected["width"]
    for output in ("quality", "width", "occupancy"):
        assert expected[output].std() > 1e-3
        torch.testing.assert_close(getattr(raw, output)[0], expected[output][:, 0])
    torch.testing.assert_close(raw.rotation[0], expected["rotation"][:, :2])


def test_planes_are_means_over_the_missing_axis(model):
    model.encoder.unet = torch.nn.Identity()
    tsdf = torch.rand(1, 40, 40, 40)
    volume = torch.relu(model.encoder.conv_in(tsdf[None].transpose(0, 1)))[0]
    planes = model.encode(tsdf)
    torch.testing.assert_close(planes.xz[0, :, 7, 3], volume[:, 3, :, 7].mean(1))
    torch.testing.assert_close(planes.xy[0, :, 7, 3], volume[:, 3, 7].mean(1))
    torch.testing.assert_close(planes.yz[0, :, 7, 3], volume[:, :, 3, 7].mean(1))


def test_unet_joins_levels_of_equal_size():
    unet = PlaneUNet(8, 3)
    assert unet(torch.rand(1, 8, 24, 24)).shape == (1, 8, 24, 24)
    assert [block.conv1.in_channels for block in unet.up_convs] == [32, 16]


def test_it_is_not_equivariant(model):
    errors = equivariance_error(model)
    for output in ("quality", "rotation", "occupancy"):
        assert min(errors[output].values()) > 1e-3, errors


@pytest.mark.parametrize("prefix", ["", "module."])
def test_published_checkpoints_are_loaded(model, tmp_path, prefix):
    """A state dict under the published names, as GIGA's training script saves it."""
    names = {
        "encoder.conv_in.weight": (32, 1, 3, 3, 3),
        "encoder.unet.down_convs.2.conv2.weight": (128, 128, 3, 3),
        "encoder.unet.up_convs.0.upconv.weight": (128, 64, 2, 2),
        "encoder.unet.conv_final.bias": (32,),
        "decoder_qual.fc_c.4.weight": (32, 96),
        "decoder_rot.fc_out.weight": (4, 32),
        "decoder_width.blocks.0.fc_1.bias": (32,),
        "decoder_tsdf.fc_p.weight": (32, 3),
    }
    state = {prefix + key: value for key, value in model.state_dict().items()}
    for name, shape in names.items():
        assert tuple(state[prefix + name].shape) == shape
    path = tmp_path / "vgn_giga_packed_best.pt"
    torch.save(state, path)  # noqa: TID251
    loaded = load_model(path)
    for a, b in zip(model.state_dict().values(), loaded.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert not any(p.requires_grad for p in loaded.parameters())


def test_other_checkpoints_are_refused_by_name(model, tmp_path):
    path = tmp_path / "other.pt"
    state = model.state_dict()
    state["decoder_rot.fc_out.weight"] = torch.zeros(6, 32)
    state["encoder.unet.offsets.weight"] = state.pop("encoder.conv_in.bias")
    torch.save(state, path)  # noqa: TID251
    with pytest.raises(ValueError, match="encoder.conv_in.bias") as error:
        load_published_giga(path)
    assert "encoder.unet.offsets.weight" in str(error.value)
    assert "(6, 32) instead of (4, 32)" in str(error.value)
    torch.save([1, 2], path)  # noqa: TID251
    with pytest.raises(ValueError, match="no state dict"):
        load_published_giga(path)
    torch.save(model, path)  # noqa: TID251, a pickled module could run code
    with pytest.raises(ValueError, match="state dict of the network"):
        load_published_giga(path)
    with pytest.raises(FileNotFoundError):
        load_published_giga(tmp_path / "none.pt")


@pytest.mark.parametrize("content", ["", "hello", "\x80\x02", "<!DOCTYPE html>", "cut"])
def test_damaged_files_are_refused_in_one_way(model, tmp_path, content):
    path = tmp_path / "damaged.pt"
    torch.save(model.state_dict(), path)  # noqa: TID251
    path.write_bytes(path.read_bytes()[:20000] if content == "cut" else content.encode("latin-1"))
    with pytest.raises(ValueError, match="damaged.pt is no file of tensors alone") as error:
        load_published_giga(path)
    assert "weights_only" not in str(error.value)


@pytest.mark.parametrize("change", [lambda w: w * float("nan"), torch.Tensor.int])
def test_weights_that_are_no_finite_numbers_are_named(model, tmp_path, change):
    path = tmp_path / "diverged.pt"
    state = model.state_dict()
    state["decoder_width.fc_p.bias"] = change(state["decoder_width.fc_p.bias"])
    torch.save(state, path)  # noqa: TID251
    with pytest.raises(ValueError, match="finite numbers: decoder_width.fc_p.bias$"):
        load_published_giga(path)
    torch.save({0: torch.zeros(1)}, path)  # noqa: TID251
    with pytest.raises(ValueError, match="no state dict"):
        load_published_giga(path)


def test_resolutions_that_cannot_be_halved_are_refused():
    with pytest.raises(ValueError, match="multiple of 4"):
        build_model("giga", resolution=42)

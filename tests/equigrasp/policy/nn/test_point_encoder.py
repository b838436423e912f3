import math

import numpy as np
import pytest
import torch

from equigrasp.diffusion.batch import pick_samples
from equigrasp.policy.nn.point_encoder import (
    Context,
    PointEncoder,
    morton_order,
)
from equigrasp.policy.nn.point_features import DESCRIBED, REACH, describe_points, local_shape

WIDTHS = (24, 48, 48)


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return PointEncoder(16, widths=WIDTHS, head_channels=24, patch=16).double()


def inputs(batch=2, count=60, words=5, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    xyz = draw(batch, count, 3) * 0.5 + torch.tensor([0.0, -0.25, 0.75])
    mask = torch.ones(batch, count, dtype=torch.bool)
    context = Context(draw(batch, words, 16), torch.ones(batch, words, dtype=torch.bool))
    tip = draw(batch, 3) * 0.5 + torch.tensor([0.0, -0.25, 0.75])
    return xyz, 2 * draw(batch, count, 3) - 1, mask, tip, context


def test_scales_shrink_by_groups(encoder):
    xyz, rgb, mask, tip, context = inputs()
    scales = encoder(xyz, rgb, mask, tip, context)
    assert [tuple(s.features.shape) for s in scales] == [(2, 4, 48), (2, 16, 48), (2, 64, 24)]
    assert [int(s.mask.sum()) for s in scales] == [8, 30, 120]
    for scale in scales:
        assert (scale.features[~scale.mask] == 0).all()
        inside = scale.xyz[scale.mask]
        assert (inside >= xyz.flatten(0, 1).amin(0)).all()


def test_the_order_of_points_says_nothing(encoder):
    xyz, rgb, mask, tip, context = inputs()
    mask[1, 50:] = False
    shuffle = torch.randperm(60)
    first = encoder(xyz, rgb, mask, tip, context)
    second = encoder(xyz[:, shuffle], rgb[:, shuffle], mask[:, shuffle], tip, context)
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a.features, b.features)


def test_padding_and_neighbours_in_the_batch_say_nothing(encoder):
    xyz, rgb, mask, tip, context = inputs()
    together = encoder(xyz, rgb, mask, tip, context)
    alone = encoder(
        xyz[1:], rgb[1:], mask[1:], tip[1:], Context(context.tokens[1:], context.mask[1:])
    )
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a.features[1:], b.features)
    longer = [torch.cat([t, torch.full_like(t[:, :9], 7.0)], 1) for t in (xyz, rgb)]
    more = torch.cat([mask, torch.zeros(2, 9, dtype=torch.bool)], 1)
    words = Context(
        torch.cat([context.tokens, torch.full_like(context.tokens, 9.0)], 1),
        torch.cat([context.mask, torch.zeros_like(context.mask)], 1),
    )
    padded = encoder(*longer, more, tip, words)
    for a, b in zip(together, padded, strict=True):
        torch.testing.assert_close(a.features[a.mask], b.features[b.mask])


def test_words_colours_heights_places_and_the_gripper_all_matter(encoder):
    xyz, rgb, mask, tip, context = inputs()
    base = encoder(xyz, rgb, mask, tip, context)[-1].features
    squeezed = xyz.clone()
    squeezed[..., 0] = 0.5 * squeezed[..., 0]
    for changed in (
        encoder(xyz, rgb, mask, tip, context._replace(tokens=context.tokens + 1)),
        encoder(xyz, -rgb, mask, tip, context),
        encoder(
            xyz + torch.tensor([0, 0, 0.1]), rgb, mask, tip + torch.tensor([0, 0, 0.1]), context
        ),
        encoder(xyz, rgb, mask, tip + torch.tensor([0.1, 0, 0]), context),
    ):
        assert (changed[-1].features - base).abs().max() > 1e-4
    moved = encoder(squeezed, rgb, mask, tip, context)[-1].features
    assert (moved.sum(1) - base.sum(1)).abs().max() > 1e-4


def test_points_in_the_hand_are_told_from_others():
    tip = torch.tensor([[0.3, 0.1, 0.9]])
    xyz = tip + torch.tensor([[0.0, 0.0, -0.01], [0.0, 0.0, -0.3]])
    mask = torch.ones(1, 2, dtype=torch.bool)
    known = describe_points(xyz[None], torch.zeros(1, 2, 3), mask, tip, 0.75)[0]
    assert known.shape == (2, DESCRIBED)
    near = known[:, -1]
    assert near[0] > 0.95
    assert near[1] < 1e-6
    torch.testing.assert_close(known[:, -4:-1] / 4, xyz - tip)
    torch.testing.assert_close(known[:, -5] / 5, xyz[:, 2] - 0.75)


@pytest.mark.parametrize(("count", "scale", "atol"), [(50, 0.2, 1e-9), (400, 1.0, 1e-6)])
def test_local_shape_is_the_weighted_mean_and_covariance_of_the_neighbours(count, scale, atol):
    """Also of clouds that are worked off in several blocks, each with its own neighbours."""
    xyz, _, mask, *_ = inputs(2, count)
    mask[1, count - 10 :] = False
    xyz = scale * pick_samples(xyz, xyz[..., 0].argsort(1))
    found = local_shape(xyz, mask)
    for cloud, present, answers in zip(xyz, mask, found, strict=True):
        assert (answers[~present] == 0).all()
        points = cloud[present].numpy() / REACH
        for point, answer in zip(points, answers[present], strict=True):
            weights = np.exp(-0.5 * ((points - point) ** 2).sum(1))
            mean = np.average(points, axis=0, weights=weights)
            cov = np.cov(points.T, aweights=weights, ddof=0)
            wanted = [*(mean - point), *np.diag(cov), cov[0, 1], cov[1, 2], cov[2, 0]]
            np.testing.assert_allclose(answer, wanted, atol=atol)


def test_local_shape_tells_the_direction_of_an_edge():
    grid = torch.linspace(-0.1, 0.1, 21, dtype=torch.float64)
    square = torch.cartesian_prod(grid, grid, torch.zeros(1, dtype=torch.float64))
    c, s = math.cos(0.3), math.sin(0.3)
    turn = torch.tensor([[c, -s, 0], [s, c, 0], [0, 0, 1.0]], dtype=torch.float64)
    shape = local_shape((square @ turn.T)[None], torch.ones(1, len(square), dtype=torch.bool))[0]
    middle, edge = len(square) // 2, 10  # of the square, and of its side at x = -0.1
    torch.testing.assert_close(shape[middle, :3], torch.zeros(3).double(), rtol=0, atol=1e-6)
    inwards = shape[edge, :3] / shape[edge, :3].norm()
    torch.testing.assert_close(inwards, turn[:, 0], rtol=0, atol=1e-6)
    assert shape[:, [5, 7, 8]].abs().max() < 1e-6  # flat


def test_moving_everything_sideways_changes_nothing(encoder):
    xyz, rgb, mask, tip, context = inputs()
    shift = torch.tensor([0.2, -0.1, 0.0])
    there = encoder(xyz + shift, rgb, mask, tip + shift, context)
    for a, b in zip(encoder(xyz, rgb, mask, tip, context), there, strict=True):
        torch.testing.assert_close(a.features, b.features, rtol=1e-6, atol=1e-8)


def test_an_empty_cloud_gives_finite_gradients(encoder):
    xyz, rgb, mask, tip, context = inputs()
    mask[0] = False
    scales = encoder(xyz, rgb, mask, tip, context)
    assert not scales[-1].mask[0].any()
    sum(scale.features.square().sum() for scale in scales).backward()
    grads = [p.grad for p in encoder.parameters() if p.grad is not None]
    assert grads
    assert all(g.isfinite().all() for g in grads)


def test_neighbours_on_the_curve_are_near():
    xyz, _, mask, *_ = inputs(1, 512)
    order = morton_order(xyz, mask)
    assert order.sort(1).values.equal(torch.arange(512)[None])
    curve = xyz[0, order[0]]
    steps = (curve[1:] - curve[:-1]).norm(dim=-1).mean()
    assert steps < 0.4 * (xyz[0, 1:] - xyz[0, :-1]).norm(dim=-1).mean()


def test_widths_must_hold_whole_heads():
    with pytest.raises(ValueError, match="width 50"):
        PointEncoder(16, widths=(50,), head_channels=24)

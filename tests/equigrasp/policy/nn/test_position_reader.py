"""What position codes and the local query do, and that without them nothing is left of either."""

import pytest
import torch

from equigrasp.policy.nn.point_encoder import Context, PointBlock, Points
from equigrasp.policy.nn.position_reader import PositionReader
from equigrasp.testing.two_level_contract import stirred


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def cloud(count, channels, seed=0):
    xyz = 0.05 * normal(2, count, 3, seed=seed) + torch.tensor([0.2, 0.0, 0.8])
    return Points(
        normal(2, count, channels, seed=seed), xyz, torch.ones(2, count, dtype=torch.bool)
    )


def reader(**options):
    torch.manual_seed(0)
    return stirred(PositionReader((24, 12), 24, channels=24, head_channels=12, **options).double())


def features(made, tokens=0.0, positions=0.0, coarse=0.0, fine=0.0):
    """Features of three samples, with something moved by so much (m, but for the tokens)."""
    scales = [cloud(7, 24), cloud(28, 12, seed=1)]
    moved = [
        points._replace(xyz=points.xyz + shift)
        for points, shift in zip(scales, (coarse, fine), strict=True)
    ]
    memory = made.remember(moved, normal(2, 24))
    where = 0.02 * normal(2, 3, 3, seed=4) + torch.tensor([0.2, 0.0, 0.8])
    return made(memory, normal(2, 3, 24, seed=3) + tokens, where + positions)


def changes(made, **moved):
    return bool((features(made, **moved) - features(made)).abs().max() > 1e-9)


@pytest.mark.parametrize("rope", [True, False])
def test_scores_depend_on_where_samples_are_with_codes_alone(rope):
    made = reader(rope=rope, local_query=False)
    assert changes(made, positions=0.01) is rope
    assert changes(made, tokens=0.01)
    assert changes(made, coarse=0.01)


def test_without_codes_keys_tell_the_places_of_points():
    made = reader(rope=False, local_query=False)
    memories = [
        made.remember([cloud(7, 24)._replace(xyz=cloud(7, 24).xyz + shift), cloud(28, 12)], words)
        for shift, words in ((0.0, normal(2, 24)), (0.1, normal(2, 24)))
    ]
    for kind in ("keys", "values"):
        first, second = (getattr(memory, kind)[0] for memory in memories)
        step = second - first  # linear in the shift, so the same for every point
        assert step.abs().max() > 1e-3
        torch.testing.assert_close(step, step[:, :, :1].expand_as(step))


@pytest.mark.parametrize("rope", [True, False])
def test_the_local_query_looks_around_a_sample(rope):
    made = reader(rope=rope)
    assert changes(made, fine=0.05)
    assert changes(made, positions=0.05)
    far = features(made, positions=10.0, fine=0.0)
    # far from everything, the finest scale says nothing
    torch.testing.assert_close(features(made, positions=10.0, fine=0.05), far)


def test_without_it_all_points_of_the_finest_scale_are_attended_to():
    made = reader(local_query=False)
    assert len(made.memory) == 2
    far = features(made, positions=10.0)
    assert (features(made, positions=10.0, fine=0.05) - far).abs().max() > 1e-6


@pytest.mark.parametrize("rope", [True, False])
def test_points_attend_by_place_with_codes_alone(rope):
    torch.manual_seed(0)
    block = stirred(PointBlock(24, 16, 2, 8, rope).double())
    context = Context(normal(2, 3, 16), torch.ones(2, 3, dtype=torch.bool))
    points = cloud(20, 24)
    spread = points._replace(xyz=1.1 * points.xyz)
    first, second = (block(each, context).features for each in (points, spread))
    assert bool((first - second).abs().max() > 1e-9) is rope


def test_widths_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="no multiple of head_channels=10"):
        PositionReader((24, 12), 24, channels=24, head_channels=10)
    with pytest.raises(ValueError, match="a coarse and a fine scale"):
        PositionReader((24,), 24, channels=24, head_channels=12)

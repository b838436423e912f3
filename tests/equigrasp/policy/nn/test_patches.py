import pytest
import torch

from equigrasp.policy.nn.patches import REACH, PatchEncoder, farthest_points, take


def cloud(batch=2, count=50, seed=0):
    generator = torch.Generator().manual_seed(seed)
    xyz, rgb = torch.rand(2, batch, count, 3, generator=generator, dtype=torch.float64)
    return 0.15 * xyz + torch.tensor([0.0, 0.0, 0.75]), rgb, torch.ones(batch, count).bool()


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return PatchEncoder(16, tokens=12, neighbours=6).double()


def test_each_centre_is_the_farthest_from_those_before():
    xyz, _, mask = cloud()
    mask[1, 30:] = False
    index, present = farthest_points(xyz, mask, 20)
    assert present.all()
    for points, chosen, there in zip(xyz, index, mask, strict=True):
        assert (points - points[there].mean(0)).norm(dim=1)[there].max() == pytest.approx(
            (points[chosen[0]] - points[there].mean(0)).norm().item()
        )
        for k in range(1, 20):
            gaps = torch.cdist(points[there], points[chosen[:k]]).amin(1)
            here = (points[chosen[k]] - points[chosen[:k]]).norm(dim=1).amin()
            torch.testing.assert_close(here, gaps.max())
    fewer, _ = farthest_points(xyz, mask, 7)
    assert torch.equal(fewer, index[:, :7])


def test_a_lone_point_gets_a_patch():
    xyz, _, mask = cloud(1)
    xyz[0, :49] *= 0.1
    xyz[0, 49] = torch.tensor([0.5, 0.5, 1.0])
    assert 49 in farthest_points(xyz, mask, 2)[0]


def test_small_and_empty_clouds():
    xyz, _, mask = cloud(3, 9)
    mask[1, 4:] = False
    mask[2] = False
    index, present = farthest_points(xyz, mask, 12)
    assert present.sum(1).tolist() == [9, 4, 0]
    assert sorted(index[0].tolist()) == list(range(9))
    assert sorted(index[1, :4].tolist()) == list(range(4))


def test_the_order_of_points_and_padding_say_nothing(encoder):
    xyz, rgb, mask = cloud()
    mask[1, 8:] = False  # fewer points than patches
    first = encoder(xyz, rgb, mask)
    shuffle = torch.randperm(50)
    second = encoder(xyz[:, shuffle], rgb[:, shuffle], mask[:, shuffle])
    padding = torch.full_like(xyz[:, :5], 0.9)
    longer = torch.cat([mask, mask.new_zeros(2, 5)], 1)
    third = encoder(torch.cat([xyz, padding], 1), torch.cat([rgb, padding], 1), longer)
    for other in (second, third):
        torch.testing.assert_close(other.features, first.features)
        torch.testing.assert_close(other.xyz[first.mask], first.xyz[first.mask])
        assert torch.equal(other.mask, first.mask)
    assert (first.features[~first.mask] == 0).all()
    assert first.mask.sum(1).tolist() == [12, 8]


def test_points_beyond_a_patch_say_nothing_to_it(encoder):
    xyz, rgb, mask = cloud(1)
    centres = encoder(xyz, rgb, mask).xyz[0]
    near = torch.cdist(centres, xyz[0]).topk(6, largest=False)
    first = encoder(xyz, rgb, mask).features
    for point in range(50):
        seen_by = ((near.indices == point) & (near.values < REACH)).any(1)
        other = rgb.clone()
        other[0, point] += 9.0  # enough to be the largest of some channel
        changed = (encoder(xyz, other, mask).features - first)[0].abs().amax(1) > 1e-9
        assert torch.equal(changed, seen_by)
    assert (near.values > REACH).any()


def test_features_do_not_change_with_horizontal_shifts(encoder):
    xyz, rgb, mask = cloud()
    shift = torch.tensor([0.3, -0.2, 0.0], dtype=torch.float64)
    first, second = encoder(xyz, rgb, mask), encoder(xyz + shift, rgb, mask)
    torch.testing.assert_close(first.features, second.features)
    torch.testing.assert_close(first.xyz + shift, second.xyz)
    higher = encoder(xyz + torch.tensor([0.0, 0.0, 0.1]), rgb, mask)
    assert (higher.features - first.features).abs().max() > 1e-4


def test_taking_rows():
    x = torch.arange(24.0).view(2, 4, 3)
    index = torch.tensor([[[3, 0]], [[1, 1]]])
    expected = torch.stack([x[0, [[3, 0]]], x[1, [[1, 1]]]])
    assert torch.equal(take(x, index), expected)


def test_options_are_checked():
    with pytest.raises(ValueError, match="tokens is 0"):
        PatchEncoder(16, tokens=0)

"""Every rule of the side planes fulfils the protocol, in types and in what a turn does."""

import inspect

import pytest
import torch

from equigrasp.nn.fields import FieldType
from equigrasp.nn.side import SIDES, SideRule, side_rule
from equigrasp.testing import act_on_channels, act_on_plane

WIDTH, N = 3, 8
TABLE = FieldType("C4", regular=WIDTH)
EXACT = sorted(name for name, rule in SIDES.items() if rule.exact)


def side_planes(field, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 2, field.channels, N, N, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("name", sorted(SIDES))
def test_rules_fulfil_the_protocol(name):
    rule = side_rule(name)
    assert isinstance(rule, SideRule)
    for method, promised in inspect.getmembers(SideRule, inspect.isfunction):
        if not method.startswith("_"):
            own = getattr(type(rule), method)
            assert inspect.signature(own) == inspect.signature(promised), method


@pytest.mark.parametrize("name", sorted(SIDES))
def test_maps_have_the_promised_types(name):
    rule = side_rule(name)
    volume = torch.rand(2, 4 * WIDTH, N, N, N)
    for plane in rule.project(volume.mean(2), volume.mean(3), WIDTH):
        assert plane.shape == (2, rule.input_field(WIDTH).channels, N, N)
    for field in (rule.field(WIDTH), rule.output_field(WIDTH)):
        a, b = side_planes(field)
        assert rule.join(a, b, field).shape[1] == rule.point_field(field).channels
        line = rule.join_profiles(a.mean(3), b.mean(3), field)
        assert line.shape[1] == rule.exchange_field(field).channels
        parts = rule.join(a, None, field) + rule.join(None, b, field)
        torch.testing.assert_close(parts, rule.join(a, b, field))
    profile = rule.profile_field(WIDTH)
    profiles = rule.table_to_sides(torch.rand(2, TABLE.channels, N, N), WIDTH)
    assert (profiles is None) == (profile is None)
    if profiles is not None:
        assert all(line.shape == (2, profile.channels, N) for line in profiles)


@pytest.mark.parametrize("name", EXACT)
def test_a_turn_of_the_volume_mirrors_one_plane_into_the_other(name):
    rule = side_rule(name)
    volume = torch.rand(1, 4 * WIDTH, N, N, N, dtype=torch.float64)
    turned = act_on_channels(torch.rot90(volume, 1, (2, 3)), TABLE, 1)
    (a, b), (a_turned, b_turned) = (
        rule.project(scene.mean(2), scene.mean(3), WIDTH) for scene in (volume, turned)
    )
    torch.testing.assert_close(a_turned, act_on_plane(b, rule.input_field(WIDTH)))
    torch.testing.assert_close(b_turned, a)


@pytest.mark.parametrize("name", EXACT)
def test_joined_values_turn_as_their_type_says(name):
    rule = side_rule(name)
    for field in (rule.field(WIDTH), rule.output_field(WIDTH)):
        a, b = side_planes(field)
        # at one point: B's channels under the mirror take A's place, A's take B's
        turned = rule.join(act_on_channels(b, field, 1), a, field)
        expected = act_on_channels(rule.join(a, b, field), rule.point_field(field), 1)
        torch.testing.assert_close(turned, expected)


def test_other_modes_are_refused():
    with pytest.raises(ValueError, match="side_features is 'both'; use one of induced, sum, plain"):
        side_rule("both")

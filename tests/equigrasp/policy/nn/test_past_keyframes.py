"""Tokens and marks of earlier keyframes: order, padding, and nothing of what is masked."""

import math

import pytest
import torch

from equigrasp.policy.keyframes.policy_io import pad_past
from equigrasp.policy.keyframes.synthetic import random_observations
from equigrasp.policy.nn.past_keyframes import PastKeyframes
from equigrasp.policy.nn.point_encoder import Context
from equigrasp.policy.nn.point_features import HAND


@pytest.fixture
def reader():
    torch.manual_seed(0)
    return PastKeyframes(12, 3).double()


@pytest.fixture
def seen():
    return random_observations()


def tokens_of(reader, seen):
    words = Context(torch.ones(3, 2, 12).double(), torch.ones(3, 2, dtype=torch.bool))
    return reader(words, seen.past, seen.past_mask, seen.state[:, :3])


def test_tokens_stand_behind_those_of_the_words(reader, seen):
    found = tokens_of(reader, seen)
    assert found.tokens.shape == (3, 4, 12)
    assert (found.tokens[:, :2] == 1).all()
    assert found.mask.tolist() == [[True] * 4, [True] * 4, [True, True, True, False]]


def test_what_stands_in_masked_places_says_nothing(reader, seen):
    wrong = seen.past.clone()
    wrong[2, 1] = 0.0  # a quaternion without length, as padding leaves it
    other = seen._replace(past=wrong)
    places = seen.xyz, wrong, seen.past_mask
    assert torch.equal(
        tokens_of(reader, other).tokens[:, :3], tokens_of(reader, seen).tokens[:, :3]
    )
    assert torch.equal(reader.marks(*places), reader.marks(seen.xyz, seen.past, seen.past_mask))
    tokens_of(reader, other).tokens.sum().backward()
    assert all(p.grad.isfinite().all() for p in reader.parameters())


def test_the_same_keyframe_is_another_token_where_it_is_older(reader, seen):
    twice = seen._replace(past=seen.past[:, :1].expand(-1, 2, -1))
    first, second = tokens_of(reader, twice).tokens[0, 2:]
    difference = reader.ages[1] - reader.ages[0]
    torch.testing.assert_close(second - first, difference)
    assert difference.abs().max() > 1e-3


def test_a_quaternion_and_its_negative_are_the_same_turn(reader, seen):
    negative = seen.past.clone()
    negative[..., 3:7] *= -1
    torch.testing.assert_close(
        tokens_of(reader, seen._replace(past=negative)).tokens, tokens_of(reader, seen).tokens
    )


def test_marks_tell_how_near_points_were_to_which_keyframe(reader):
    past = torch.zeros(1, 2, 8).double()
    past[0, 1, 0], past[..., 6] = 1.0, 1.0
    points = torch.tensor([[[0.0, 0, 0], [0, HAND, 0], [1, 0, 2 * HAND]]], dtype=torch.float64)
    present = torch.ones(1, 2, dtype=torch.bool)
    expected = [[1, 0, 0], [math.exp(-1), 0, 0], [0, math.exp(-4), 0]]
    expected = torch.tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(reader.marks(points, past, present)[0], expected, atol=1e-9, rtol=0)
    present[0, 0] = False
    assert reader.marks(points, past, present)[0, :, 0].tolist() == [0, 0, 0]


def test_more_keyframes_than_are_read_are_forgotten(reader, seen):
    longer = torch.cat([seen.past, seen.past + 0.1, seen.past + 0.2], 1)
    present = torch.ones(3, 6, dtype=torch.bool)
    newest = seen._replace(past=longer[:, :3], past_mask=present[:, :3])
    longest = seen._replace(past=longer, past_mask=present)
    assert torch.equal(tokens_of(reader, longest).tokens, tokens_of(reader, newest).tokens)


def test_a_policy_that_remembers_is_not_asked_without_a_past(reader, seen):
    with pytest.raises(ValueError, match="3 latest keyframes"):
        reader.marks(seen.xyz, None, None)


def test_padding_keeps_the_newest():
    states = [[float(age)] * 8 for age in range(3)]
    past, present = pad_past(states, 2)
    assert (past[:, 0].tolist(), present.tolist()) == ([0, 1], [True, True])
    past, present = pad_past(states[:1], 2)
    assert (past[:, 0].tolist(), present.tolist()) == ([0, 0], [True, False])
    assert pad_past([], 2)[1].tolist() == [False, False]

"""The order of scenes: a permutation per epoch, disjoint between processes, resumable."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equigrasp.training.sampler import SceneSampler


@given(st.integers(1, 40), st.integers(1, 5), st.integers(1, 3), st.integers(0, 3))
def test_an_epoch_visits_no_scene_twice(num_scenes, batch_size, world_size, epoch):
    if num_scenes < batch_size * world_size:
        return
    ranks = [SceneSampler(num_scenes, batch_size, 7, r, world_size) for r in range(world_size)]
    first = epoch * ranks[0].steps_per_epoch
    keys = [
        key
        for sampler in ranks
        for step in range(first, first + sampler.steps_per_epoch)
        for key in sampler.keys(step)
    ]
    assert {e for e, _ in keys} == {epoch}
    scenes = [scene for _, scene in keys]
    assert len(set(scenes)) == len(scenes)
    assert set(scenes) <= set(range(num_scenes))
    dropped = num_scenes - len(scenes)
    assert dropped < batch_size * world_size


@given(st.integers(0, 30))
def test_any_step_can_be_resumed(step):
    sampler = SceneSampler(10, 3, seed=1)
    whole = list(islice(sampler.from_step(0), step + 4))
    assert list(islice(sampler.from_step(step), 4)) == whole[step:]


def test_epochs_and_seeds_differ():
    sampler = SceneSampler(50, 50, seed=0)
    assert sorted(sampler.keys(0))[0][0] == 0
    assert [s for _, s in sampler.keys(0)] != [s for _, s in sampler.keys(1)]
    assert sampler.keys(0) != SceneSampler(50, 50, seed=1).keys(0)


def test_too_few_scenes_are_named():
    with pytest.raises(ValueError, match=r"4 \* 2.*has 7"):
        SceneSampler(7, 4, seed=0, world_size=2)

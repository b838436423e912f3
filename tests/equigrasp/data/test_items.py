"""Training items: what they hold, that they fit the table of keys, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from equigrasp.data.batch_keys import batch_faults
from equigrasp.data.items import SampleSettings, choose_view, make_item
from equigrasp.data.manifest import MadeFor
from equigrasp.data.split import DataSetError
from equigrasp.data.synthetic import random_primitives, synthetic_scene
from equigrasp.perception.tsdf import fuse_tsdf
from equigrasp.workspace import Workspace

_SMALL = SampleSettings(view="fixed", mirrors=False, queries=24, occupancy_points=50, resolution=20)


def test_items_fit_the_table_of_keys():
    scene = synthetic_scene(2, grasps=30)
    for how in (_SMALL, replace(_SMALL, positive_share=None, mirrors=True, quarter_turns=True)):
        item = make_item(scene, how, np.random.default_rng(0))
        assert batch_faults({name: tensor[None] for name, tensor in item.items()}) == []


def test_items_lie_in_the_workspace_of_their_scene():
    """A cube twice as wide: coordinates are shares of its side, and its own table is rectified."""
    wide = Workspace(side=0.6, table_height=0.1)
    scene = synthetic_scene(3, grasps=40, workspace=wide)
    calm = replace(_SMALL, noise="none", free_share=0.0, positive_share=None)
    item = make_item(scene, calm, np.random.default_rng(0), MadeFor(workspace=wide))
    tips = (item["points"] + 0.5) * 0.6 + 0.05 * item["rotations"][:, 0, :, 2]
    known = torch.from_numpy(scene.grasp_position)
    assert torch.cdist(tips.double(), known.double()).min(1).values.max() < 1e-5
    depth = torch.from_numpy(scene.depth[0])
    fused = fuse_tsdf(
        depth,
        scene.intrinsics,
        scene.T_world_camera[0],
        workspace=replace(wide, resolution=20),
        encoding="full",
    )
    assert (item["tsdf"] - fused).abs().mean() < 1e-3


def test_rectifying_undoes_the_gamma_factor():
    """With the table in view, the rectified noisy grid is nearer to the clean one."""
    scene = synthetic_scene(8)
    errors = {}
    for probability in (0.0, 1.0):
        noisy = replace(_SMALL, noise="gamma", rectify_probability=probability)
        clean = replace(noisy, noise="none", rectify_probability=0.0)
        grids = [
            [make_item(scene, how, np.random.default_rng(seed))["tsdf"] for how in (noisy, clean)]
            for seed in range(12)
        ]
        errors[probability] = np.mean([float((a - b).abs().mean()) for a, b in grids])
    assert errors[1.0] < 0.5 * errors[0.0]


def test_a_mixture_of_noises_gives_each_kind_its_share():
    """Without noise a grid is always the same; so the share of such grids tells."""
    scene = synthetic_scene(8)
    how = replace(_SMALL, rectify_probability=0.0, mirrors=False)
    plain = make_item(scene, replace(how, noise="none"), np.random.default_rng(0))["tsdf"]
    mixed = replace(how, noise={"none": 0.7, "camera": 0.3})
    same = [
        torch.equal(make_item(scene, mixed, np.random.default_rng(seed))["tsdf"], plain)
        for seed in range(200)
    ]
    assert abs(np.mean(same) - 0.7) < 4 * (0.7 * 0.3 / 200) ** 0.5


@given(st.integers(0, 5), st.floats(0, 0.5), st.sampled_from([0.0, 0.03, 0.05]))
@settings(max_examples=25, deadline=None)
def test_query_points_and_labels_are_those_of_the_record(seed, free_share, setback):
    scene = synthetic_scene(seed, grasps=40)
    how = replace(_SMALL, free_share=free_share, query_setback=setback)
    item = make_item(scene, how, np.random.default_rng(seed))
    approach = item["rotations"][:, 0, :, 2]
    tips = (item["points"] + 0.5) * 0.3 + setback * approach
    distance = torch.cdist(tips.double(), torch.from_numpy(scene.grasp_position).double())
    nearest = distance.argmin(1).numpy()
    simulated = (item["mask"] & (distance.min(1).values < 1e-5)).numpy()
    assert simulated.sum() >= 24 - round(free_share * 24)
    success = scene.yaw_success[nearest[simulated]]
    np.testing.assert_array_equal(item["yaw_success"][simulated], success)
    np.testing.assert_array_equal(item["label"][simulated], success.any(1))
    margin = item["yaw_margin"][simulated]
    known = np.nan_to_num(scene.yaw_margin, nan=1.0)
    np.testing.assert_array_equal(margin, known[nearest[simulated]])
    np.testing.assert_allclose(item["widths"][simulated], scene.yaw_width[nearest[simulated]])
    # Everything else is a known failure or padding.
    assert not item["yaw_success"][~simulated].any()
    assert item["label"][~simulated].sum() == 0


def test_free_failures_lie_where_they_were_drawn():
    """Palms inside things, which a point moved along any approach would miss, and fingers off."""
    shapes = random_primitives(np.random.default_rng([5, 0]))
    scene = synthetic_scene(5, grasps=1, occupancy_points=10_000)
    how = replace(_SMALL, queries=200, free_share=1.0, noise="none")
    item = make_item(scene, how, np.random.default_rng(0))
    assert item["mask"].sum() > 150
    points = (item["points"][item["mask"]].double().numpy() + 0.5) * 0.3
    grown = [replace(shape, half=shape.half + 2e-4) for shape in shapes]
    inside = np.any([shape.contains(points) for shape in grown], 0)
    assert inside.sum() >= 100
    away = np.min([np.linalg.norm(points - shape.centre, axis=1) for shape in shapes], 0)
    assert (inside | (points[:, 2] < 0.05) | (away > np.hypot(0.05, 0.04))).all()
    hands = item["rotations"][item["mask"]]
    assert hands.flatten(2).std((0, 1)).min() > 0.3  # whatever the hand, it fails there


def test_validation_asks_grasps_from_all_of_a_scene():
    scene = synthetic_scene(11, grasps=300)
    how = replace(_SMALL, queries=12, positive_share=None)
    item = make_item(scene, how, np.random.default_rng(0))
    tips = (item["points"] + 0.5) * 0.3 + 0.05 * item["rotations"][:, 0, :, 2]
    gaps = torch.cdist(tips.double(), torch.from_numpy(scene.grasp_position))
    assert gaps.argmin(1).max() > 200
    assert gaps.argmin(1).min() < 100


def test_training_balances_and_validation_does_not():
    scene = synthetic_scene(11, grasps=300)
    prior = scene.yaw_success.any(1).mean()
    how = replace(_SMALL, queries=200, free_share=0.0, positive_share=0.5)
    balanced = make_item(scene, how, np.random.default_rng(0))
    wanted = min(100, int(scene.yaw_success.any(1).sum()))
    assert balanced["label"].sum() >= wanted
    natural = make_item(scene, replace(how, positive_share=None), np.random.default_rng(0))
    assert natural["mask"].all()
    assert abs(float(natural["label"].mean()) - prior) < 0.1


def test_few_grasps_leave_padding_not_repeats():
    scene = synthetic_scene(1, grasps=5)
    item = make_item(scene, replace(_SMALL, free_share=0.0), np.random.default_rng(0))
    assert item["mask"].tolist() == [True] * 5 + [False] * 19
    assert item["label"][5:].sum() == 0


def test_occupancy_labels_agree_with_the_shapes():
    shapes = random_primitives(np.random.default_rng([9, 0]))
    item = make_item(synthetic_scene(9), _SMALL, np.random.default_rng(0))
    points = (item["occ_points"].double().numpy() + 0.5) * 0.3
    inside = np.any([shape.contains(points) for shape in shapes], 0)
    assert np.mean(inside == item["occ"].numpy().astype(bool)) > 0.95


@pytest.mark.parametrize(
    ("view", "allowed"), [("fixed", {0}), ("random", {1, 2}), ("mixed", {0, 1, 2})]
)
def test_views(view, allowed):
    how = replace(_SMALL, view=view, fixed_probability=0.3)
    rng = np.random.default_rng(0)
    drawn = [choose_view(["fixed", "random0", "random1"], how, rng) for _ in range(300)]
    assert set(drawn) == allowed
    if view == "mixed":
        assert 0.2 < drawn.count(0) / 300 < 0.4


def test_a_missing_view_is_named():
    how = replace(_SMALL, view="random")
    with pytest.raises(DataSetError, match="random view.*'fixed'"):
        choose_view(["fixed"], how, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"view": "top"}, "fixed, random, mixed"),
        ({"noise": "salt"}, "none, gaussian, gamma"),
        ({"noise": {"gamma": 0.5, "salt": 0.5}}, "salt"),
        ({"noise": {"gamma": 0.6, "camera": 0.6}}, "add up to 1"),
        ({"noise": {"gamma": 1.4, "camera": -0.4}}, "negative"),
        ({"free_share": 1.5}, "share"),
        ({"queries": 0}, "at least 1"),
    ],
)
def test_bad_settings_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        SampleSettings(**change)

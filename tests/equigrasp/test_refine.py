"""Peaks climb to the top nearby, hands move to the middle, and both turn with the scene."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from equigrasp import build_model
from equigrasp.candidates import Candidates
from equigrasp.detection import DetectionConfig
from equigrasp.geometry.transforms import make_transform
from equigrasp.hand import PANDA
from equigrasp.nn.freeze import freeze
from equigrasp.perception.camera import fixed_view
from equigrasp.perception.tsdf import fuse_tsdf
from equigrasp.planner import GraspPlanner
from equigrasp.refine import FARTHEST, FARTHEST_SHIFT, climb, off_middle
from equigrasp.testing import turn_grid, turn_matrix, turn_points

STEP = 1 / 40
CLIMBING = DetectionConfig(
    quality_threshold=0.05, quality_floor=0.02, refine_steps=4, centre=True, min_points_between=1
)
seeds = st.integers(0, 2**32 - 1)


def bump(top):
    """A smooth quality that is highest at a point (3,)."""
    return lambda points: torch.exp(-((points - top) ** 2).sum(-1) / 0.05**2)


@given(seeds)
def test_a_peak_ends_nearer_to_the_top_than_it_began(seed):
    rng = np.random.default_rng(seed)
    start = torch.tensor(rng.uniform(-0.3, 0.3, (1, 3)))
    off = rng.uniform(-0.8, 0.8, 3) * STEP
    found, score = climb(bump(start[0] + torch.tensor(off)), start, torch.tensor([0.5]).double(),
                         spacing=STEP, steps=8)  # fmt: skip
    distance = (found[0] - start[0] - torch.tensor(off)).norm()
    assert distance <= 0.15 * STEP + 0.2 * np.linalg.norm(off)
    assert 0.5 <= score[0] <= 1.0


@given(seeds, st.integers(0, 6), st.sampled_from([0.0, 1.0]))
def test_nothing_gets_worse_and_nothing_goes_far(seed, steps, sigma):
    generator = torch.Generator().manual_seed(seed)
    centres = torch.rand(30, 3, generator=generator, dtype=torch.float64) - 0.5
    heights = torch.rand(30, generator=generator, dtype=torch.float64)

    def rough(points):
        gaps = (points[:, None] - centres).norm(dim=-1)
        return (heights * torch.exp(-((gaps / 0.03) ** 2))).amax(1)

    points = torch.rand(12, 3, generator=generator, dtype=torch.float64) - 0.5
    scores = torch.full((12,), 0.3).double()
    found, score = climb(rough, points, scores, spacing=STEP, steps=steps, sigma=sigma)
    assert (score >= scores - 1e-12).all()
    assert (found - points).abs().max() <= FARTHEST * STEP + 1e-12
    if not sigma:
        torch.testing.assert_close(score, (0.3 + rough(found) - rough(points)).clamp(max=1.0))
    if not steps:
        torch.testing.assert_close(found, points)


@given(seeds, st.integers(1, 3))
def test_climbing_commutes_with_turns(seed, turns):
    generator = torch.Generator().manual_seed(seed)
    top = torch.rand(3, generator=generator, dtype=torch.float64) - 0.5
    points = top + 0.02 * torch.randn(5, 3, generator=generator, dtype=torch.float64)
    scores = torch.rand(5, generator=generator, dtype=torch.float64)
    options = {"spacing": STEP, "steps": 5}
    plain, first = climb(bump(top), points, scores, **options)
    turned_top = turn_points(top[None], turns)[0]
    other, second = climb(bump(turned_top), turn_points(points, turns), scores, **options)
    torch.testing.assert_close(other, turn_points(plain, turns), atol=1e-9, rtol=0)
    torch.testing.assert_close(second, first, atol=1e-9, rtol=0)


def one_hand(y=0.0, width=0.04):
    """From above, at the middle of the cube but for `y`; its y axis is that of the cube."""
    rotation = torch.tensor([[-1.0, 0, 0], [0, 1, 0], [0, 0, -1]])
    return Candidates(
        torch.tensor([[0.15, 0.15 + y, 0.1]]),
        rotation[None],
        torch.tensor([width]),
        torch.tensor([1.0]),
    )


def face_points(low, high):
    """A strip of surface between the pads from y = low to high, relative to the middle."""
    y = torch.linspace(low, high, 9)
    return torch.stack([torch.full_like(y, 0.15), 0.15 + y, torch.full_like(y, 0.12)], 1)


def test_hands_go_to_the_middle_of_what_both_pads_would_touch():
    hand, strip = one_hand(y=0.006), face_points(-0.018, 0.014)
    shift = off_middle(hand, PANDA, strip)
    torch.testing.assert_close(shift, torch.tensor([[0.0, -0.008, 0.0]]), atol=1e-6, rtol=0)
    turned = hand._replace(rotation=hand.rotation @ torch.diag(torch.tensor([-1.0, -1.0, 1.0])))
    torch.testing.assert_close(off_middle(turned, PANDA, strip), shift)
    far = off_middle(one_hand(y=0.012, width=0.045), PANDA, face_points(-0.015, 0.018))
    assert float(far.norm()) == pytest.approx(FARTHEST_SHIFT)


def test_hands_stay_where_one_contact_or_nothing_is_seen():
    half = off_middle(one_hand(), PANDA, face_points(0.0, 0.02))
    none = off_middle(one_hand(), PANDA, face_points(0.1, 0.12))
    empty = off_middle(one_hand(), PANDA, torch.zeros(0, 3))
    assert not torch.cat([half, none, empty]).any()


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_refined_plans_commute_with_turns(turns, camera, depth_image, assert_same_set):
    """With a network whose field has kinks at the lattice points where peaks begin."""
    model = freeze(build_model("equigiga", encoding="full", fields=2, head_fields=4)).double()
    config = DetectionConfig(
        quality_threshold=0.0,
        quality_floor=0.0,
        width_min=0.0,
        min_points_between=0,
        refine_steps=3,
        centre=True,
    )
    planner = GraspPlanner(model, config, table_height=None)
    tsdf = fuse_tsdf(torch.from_numpy(depth_image()), camera, fixed_view(), encoding="full")
    R = turn_matrix(turns).numpy()
    middle = np.array([0.15, 0.15, 0.0])
    T = make_transform(R, middle - R @ middle)
    plain = planner.plan_tsdf(tsdf.double())
    other = planner.plan_tsdf(turn_grid(tsdf.double(), turns))
    assert_same_set([g.transformed(T) for g in plain.grasps], other.grasps, 1e-6)
    assert plain.dropped == other.dropped


def test_refined_plans_are_at_other_places_with_scores_no_lower(camera, depth_image, blob_planner):
    view = (depth_image(), camera, fixed_view())
    plain = blob_planner(DetectionConfig(0.05, quality_floor=0.02)).plan(*view).grasps
    climbed = blob_planner(CLIMBING).plan(*view).grasps
    assert climbed[0].score >= plain[0].score
    assert {tuple(g.position) for g in plain} != {tuple(g.position) for g in climbed}

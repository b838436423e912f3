import numpy as np
import pytest
import torch
import torch.nn.functional as F

from equigrasp import build_model
from equigrasp.data.synthetic import Shape, render_shapes
from equigrasp.detection import DetectionConfig
from equigrasp.geometry.transforms import inverse_transform, make_transform
from equigrasp.models.base import GraspField
from equigrasp.nn.freeze import freeze
from equigrasp.perception.camera import Intrinsics, fixed_view, random_view
from equigrasp.perception.tsdf import fuse_tsdf
from equigrasp.plan_result import REASONS, STAGES
from equigrasp.planner import GraspPlanner, PlanningError
from equigrasp.testing import turn_grid, turn_matrix

CAMERA = Intrinsics(320, 240, 270.0, 270.0, 160.0, 120.0)
SHAPES = [
    Shape(np.array([0.10, 0.11, 0.080]), np.array([0.02, 0.03, 0.030]), 0.4),
    Shape(np.array([0.19, 0.17, 0.075]), np.full(3, 0.025), box=False),
    Shape(np.array([0.12, 0.21, 0.065]), np.array([0.03, 0.015, 0.015]), 1.1),
]


class BlobModel:
    """Exactly equivariant stand-in: quality peaks 4 cm above surfaces, hands come from above.

    The hand tilts along the horizontal gradient of the blurred volume, so rotations are not all
    alike, and everything turns with the scene.
    """

    resolution, query_setback = 40, 0.05

    def __init__(self, encoding="full", gain=1.0):
        self.encoding, self.gain = encoding, gain

    def encode(self, tsdf):
        near = (1 - (2 * tsdf.double() - 1).abs())[:, None]
        blurred = F.avg_pool3d(near, 7, 1, 3, count_include_pad=True)
        return torch.cat([blurred, *(self._slope(blurred, axis) for axis in (2, 3))], 1)

    @staticmethod
    def _slope(volume, axis):
        return volume.roll(-1, axis) - volume.roll(1, axis)

    def query(self, features, points, outputs=("quality", "rotation", "width")):
        below = points.double() - torch.tensor([0, 0, 0.04 / 0.3])
        grid = 2 * below[:, :, None, None].flip(-1)  # grid_sample wants z, y, x
        at = F.grid_sample(features, grid, align_corners=False)[..., 0, 0].movedim(1, -1)
        value, slope = at[..., 0], at[..., 1:]
        field = {}
        if "quality" in outputs:
            field["quality"] = (self.gain * value).clamp(0, 1)
        if "width" in outputs:
            field["width"] = 0.03 + 0.02 * value
        if "rotation" in outputs:
            along = F.normalize(slope, dim=-1)
            flat = torch.zeros_like(value)
            approach = torch.stack([0.5 * along[..., 0], 0.5 * along[..., 1], flat - 1], -1)
            z = F.normalize(approach, dim=-1)
            y = torch.stack([-along[..., 1], along[..., 0], flat], -1)
            field["rotation"] = torch.stack([torch.linalg.cross(y, z, dim=-1), y, z], -1)
        return GraspField(**field)


LOW = DetectionConfig(quality_threshold=0.1, quality_floor=0.05)


def depth_image(pose=None, shapes=SHAPES, intrinsics=CAMERA):
    return render_shapes(shapes, intrinsics, fixed_view() if pose is None else pose)


def blob_planner(**options):
    return GraspPlanner(BlobModel(), LOW, **options)


def turned(grasp, turns):
    """The grasp after turning the workspace about its vertical axis."""
    T = np.eye(4)
    T[:3, :3] = turn_matrix(turns).numpy()
    middle = np.array([0.15, 0.15, 0.0])
    T[:3, 3] = middle - T[:3, :3] @ middle
    return grasp.transformed(T)


def assert_same_set(first, second, tolerance):
    assert len(first) == len(second) > 0
    left = list(second)
    for grasp in first:
        gaps = [np.abs(grasp.T_world_grasp - g.T_world_grasp).max() for g in left]
        best = int(np.argmin(gaps))
        assert gaps[best] < tolerance
        other = left.pop(best)
        assert grasp.width == pytest.approx(other.width, abs=tolerance)
        assert grasp.score == pytest.approx(other.score, abs=tolerance)


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("encoding", ["full", "published"])
def test_planning_commutes_with_turns_for_an_exact_model(turns, encoding):
    rng = np.random.default_rng(turns)
    for _ in range(3):
        pose = random_view(rng)
        tsdf = fuse_tsdf(torch.from_numpy(depth_image(pose)), CAMERA, pose, encoding=encoding)
        planner = GraspPlanner(BlobModel(encoding), LOW)
        plain = planner.plan_tsdf(tsdf, level=True).grasps
        other = planner.plan_tsdf(turn_grid(tsdf, turns), level=True).grasps
        assert_same_set([turned(g, turns) for g in plain], other, 1e-4)


@pytest.mark.parametrize("encoding", ["full", "published"])
def test_planning_commutes_with_turns_for_equigiga(encoding):
    # In double precision: an untrained head's rotation is ill-conditioned at some peaks.
    model = freeze(build_model("equigiga", encoding=encoding, fields=2, head_fields=4)).double()
    config = DetectionConfig(quality_threshold=0.0, quality_floor=0.0, width_min=0.0)
    planner = GraspPlanner(model, config, table_height=None)
    pose = fixed_view()
    tsdf = fuse_tsdf(torch.from_numpy(depth_image(pose)), CAMERA, pose, encoding=encoding).double()
    plain = planner.plan_tsdf(tsdf).grasps
    assert len(plain) > 5
    for turns in (1, 2, 3):
        other = planner.plan_tsdf(turn_grid(tsdf, turns)).grasps
        assert_same_set([turned(g, turns) for g in plain], other, 1e-6)


def test_turning_the_camera_with_the_scene_turns_the_best_grasp():
    """From the depth image on: only voxels on pixel borders may round differently."""
    planner = blob_planner()
    best = planner.plan(depth_image(), CAMERA, fixed_view()).grasps[0]
    T = np.eye(4)
    T[:3, :3] = turn_matrix(1).numpy()
    T[:3, 3] = np.array([0.15, 0.15, 0]) - T[:3, :3] @ [0.15, 0.15, 0]
    other = planner.plan(depth_image(), CAMERA, T @ fixed_view()).grasps[0]
    np.testing.assert_allclose(other.T_world_grasp, turned(best, 1).T_world_grasp, atol=1e-2)


def test_result_is_complete_and_ranked():
    result = blob_planner().plan(depth_image(), CAMERA, fixed_view())
    assert result.reason == "ok"
    scores = [g.score for g in result.grasps]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) >= LOW.quality_threshold
    assert set(result.timings) == {*STAGES, "total"}
    assert sum(result.timings[s] for s in STAGES) <= result.timings["total"]
    assert result.table.ok
    assert result.tsdf.shape == (40, 40, 40)
    assert 0 < result.queries < 40**3 / 2
    for grasp in result.grasps:
        assert grasp.position[2] >= 0.05 - 1e-9
        root = grasp.position - 0.05 * grasp.approach
        assert (root[:2] > 0.02 - 0.011).all()
        assert (root[:2] < 0.28 + 0.011).all()
        assert LOW.width_min <= grasp.width <= LOW.width_max


def test_max_grasps_cuts_the_list():
    planner = blob_planner()
    full = planner.plan(depth_image(), CAMERA, fixed_view()).grasps
    few = planner.plan(depth_image(), CAMERA, fixed_view(), max_grasps=2).grasps
    assert len(full) > len(few) == 2
    np.testing.assert_array_equal(few[1].T_world_grasp, full[1].T_world_grasp)
    with pytest.raises(ValueError, match="max_grasps"):
        planner.plan(depth_image(), CAMERA, fixed_view(), max_grasps=0)


def empty_depth():
    return np.full((240, 320), np.nan, np.float32)


def sky():
    return np.full((240, 320), 2.0, np.float32)


@pytest.mark.parametrize(
    ("depth", "model", "reason"),
    [
        (empty_depth(), BlobModel(), "empty_depth"),
        (depth_image(shapes=[]), BlobModel(), "empty_workspace"),
        (sky(), BlobModel(), "empty_workspace"),
        (depth_image(), BlobModel(gain=0.0), "no_grasp"),
    ],
    ids=["no reading", "bare table", "nothing", "no quality"],
)
def test_empty_scenes_give_an_empty_result_with_the_reason(depth, model, reason):
    planner = GraspPlanner(model, LOW)
    result = planner.plan(depth, CAMERA, fixed_view())
    assert result.grasps == []
    assert result.reason == reason
    assert result.tsdf.shape == (40, 40, 40)
    with pytest.raises(PlanningError, match=REASONS[reason][:20]):
        planner.plan(depth, CAMERA, fixed_view(), strict=True)


def test_force_returns_the_best_grasp_below_the_threshold_and_only_that():
    high = DetectionConfig(quality_threshold=1.0, quality_floor=0.05)
    result = GraspPlanner(BlobModel(), high).plan(depth_image(), CAMERA, fixed_view())
    assert result.reason == "forced"
    best = blob_planner().plan(depth_image(), CAMERA, fixed_view()).grasps[0]
    assert len(result.grasps) == 1
    np.testing.assert_array_equal(result.grasps[0].T_world_grasp, best.T_world_grasp)
    for other in (
        DetectionConfig(quality_threshold=1.0, force=False),
        DetectionConfig(quality_threshold=1.0, quality_floor=1.0),
    ):
        found = GraspPlanner(BlobModel(), other).plan(depth_image(), CAMERA, fixed_view())
        assert (found.grasps, found.reason) == ([], "no_grasp")


def test_workspace_elsewhere_in_the_world():
    """Moving world, camera and objects together moves the grasps with them."""
    T = make_transform(turn_matrix(1).numpy(), (1.0, -2.0, 0.3))  # T_world_workspace
    plain = blob_planner().plan(depth_image(), CAMERA, fixed_view())
    moved = blob_planner().plan(
        depth_image(), CAMERA, T @ fixed_view(), T_workspace_world=inverse_transform(T)
    )
    np.testing.assert_allclose(moved.tsdf, plain.tsdf, atol=1e-4)
    assert_same_set([g.transformed(T) for g in plain.grasps], moved.grasps, 1e-3)


def test_several_views_are_fused_in_any_order():
    rng = np.random.default_rng(0)
    poses = np.stack([fixed_view(), random_view(rng), random_view(rng)])
    depth = np.stack([depth_image(T) for T in poses])
    planner = blob_planner()
    three = planner.plan(depth, CAMERA, poses)
    assert len(three.tables) == 3
    other = planner.plan(depth[::-1], CAMERA, poses[::-1])
    np.testing.assert_allclose(three.tsdf, other.tsdf, atol=1e-6)
    one = planner.plan(depth[:1], CAMERA, poses[:1])
    np.testing.assert_array_equal(one.tsdf, planner.plan(depth[0], CAMERA, poses[0]).tsdf)
    assert (three.tsdf > 0).sum() > (one.tsdf > 0).sum()


def test_rectification_undoes_a_wrong_depth_scale():
    depth, pose = depth_image(), fixed_view()
    truth = blob_planner().plan(depth, CAMERA, pose)
    scaled = (1.05 * depth).astype(np.float32)
    with_it = blob_planner().plan(scaled, CAMERA, pose)
    without = blob_planner(rectify_table=False).plan(scaled, CAMERA, pose)
    assert with_it.table.scale == pytest.approx(1.05, abs=3e-4)
    assert without.table is None
    assert np.abs(with_it.tsdf - truth.tsdf).mean() < 1e-3
    assert np.abs(without.tsdf - truth.tsdf).mean() > 1e-2


def test_without_a_known_table_everything_counts_as_surface():
    planner = blob_planner(table_height=None)
    result = planner.plan(depth_image(shapes=[]), CAMERA, fixed_view())
    assert result.table is None
    assert result.queries > 0


def test_an_object_outside_the_cube_changes_nothing():
    planner = blob_planner(rectify_table=False)
    far = Shape(np.array([0.15, 0.48, 0.12]), np.array([0.05, 0.02, 0.07]))
    plain = planner.plan(depth_image(), CAMERA, fixed_view())
    crowded_depth = depth_image(shapes=[*SHAPES, far])
    assert (crowded_depth != depth_image()).any()
    crowded = planner.plan(crowded_depth, CAMERA, fixed_view())
    np.testing.assert_array_equal(crowded.tsdf, plain.tsdf)


def test_pixels_without_a_reading_are_like_zero():
    holes = np.random.default_rng(0).random((240, 320)) < 0.3
    results = []
    for value in (0.0, np.nan, np.inf):
        depth = depth_image()
        depth[holes] = value
        results.append(blob_planner().plan(depth, CAMERA, fixed_view()))
    for other in results[1:]:
        np.testing.assert_array_equal(results[0].tsdf, other.tsdf)
        assert_same_set(results[0].grasps, other.grasps, 1e-9)


def test_a_finer_lattice_keeps_the_networks_resolution():
    fine = DetectionConfig(
        quality_threshold=0.1, quality_floor=0.05, lattice=60, advance=0.0, max_retreat=0.0
    )  # the tip then lies exactly 50 mm ahead of a lattice point
    planner = GraspPlanner(BlobModel(), fine)
    result = planner.plan(depth_image(), CAMERA, fixed_view())
    coarse = blob_planner().plan(depth_image(), CAMERA, fixed_view())
    assert result.tsdf.shape == (40, 40, 40)
    assert result.queries > 2.5 * coarse.queries
    root = result.grasps[0].position - 0.05 * result.grasps[0].approach
    step = root / 0.005 - 0.5
    np.testing.assert_allclose(step, np.round(step), atol=1e-3)
    with pytest.raises(ValueError, match="lattice"):
        planner.plan_tsdf(torch.zeros(40, 40, 40))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": (1000 * depth_image()).astype(np.uint16)}, "uint16"),
        ({"depth": 1000 * depth_image()}, "millimetres"),
        ({"depth": depth_image()[:-1]}, "belong together"),
        ({"T": 2 * np.eye(4)}, "T_world_camera"),
        ({"T": np.stack([fixed_view()] * 2)}, r"\(V, 4, 4\)"),
        ({"intrinsics": Intrinsics(320, 240, 270.0, 270.0, 500.0, 120.0)}, "principal"),
    ],
)
def test_implausible_input_is_refused_with_the_cause(change, message):
    arguments = {"depth": depth_image(), "intrinsics": CAMERA, "T": fixed_view(), **change}
    with pytest.raises(ValueError, match=message):
        blob_planner().plan(*arguments.values())


def test_a_model_of_unknown_encoding_is_refused():
    with pytest.raises(ValueError, match="giga"):
        GraspPlanner(BlobModel("giga"))


def test_a_volume_of_another_size_is_refused():
    with pytest.raises(ValueError, match="60"):
        blob_planner().plan_tsdf(torch.zeros(60, 60, 60))


def test_from_pretrained_takes_a_saved_model(tmp_path):
    from equigrasp import save_model

    save_model(build_model("equigiga", fields=2, head_fields=4), tmp_path / "tiny")
    planner = GraspPlanner.from_pretrained(tmp_path / "tiny", table_height=None)
    assert planner.table_height is None
    assert not planner.rectify_table
    assert planner.plan(depth_image(), CAMERA, fixed_view()).queries > 0


class JudgedBlobModel(BlobModel):
    """Draws: the confidence depends on the place, the width on the generator."""

    draws = True

    def __init__(self):
        super().__init__()
        self.asked = []

    def query(self, features, points, outputs=(), num_samples=1, generator=None):
        field = super().query(features, points, outputs)
        if "confidence" not in outputs:
            return field
        self.asked.append(num_samples)
        shake = 0.01 * torch.rand(1, generator=generator, dtype=torch.float64)
        confidence = 0.5 + points[..., 0].double()
        return field._replace(confidence=confidence, width=field.width + shake)


def test_drawn_grasps_are_ranked_by_quality_and_confidence():
    model = JudgedBlobModel()
    config = DetectionConfig(quality_threshold=0.05, quality_floor=0.05, num_samples=7)
    plain = GraspPlanner(BlobModel(), config).plan(depth_image(), CAMERA, fixed_view())
    judged = GraspPlanner(model, config).plan(depth_image(), CAMERA, fixed_view())
    assert model.asked == [7]
    assert len(judged.grasps) == len(plain.grasps) > 2
    scores = [grasp.score for grasp in judged.grasps]
    assert scores == sorted(scores, reverse=True)
    for grasp in judged.grasps:
        gaps = [np.abs(grasp.position - g.position).max() for g in plain.grasps]
        other = plain.grasps[int(np.argmin(gaps))]
        assert min(gaps) < 1e-9
        # the query point lies `query_setback` behind the tip before it is moved on
        confidence = (grasp.score**2) / other.score
        assert 0 < confidence < 1
    order = [tuple(np.round(g.position, 6)) for g in plain.grasps]
    assert order != [tuple(np.round(g.position, 6)) for g in judged.grasps]


def test_draws_repeat_by_seed():
    def width(seed):
        planner = GraspPlanner(JudgedBlobModel(), LOW, seed=seed)
        return planner.plan(depth_image(), CAMERA, fixed_view()).grasps[0].width

    assert width(3) == width(3)
    assert width(3) != width(4)


def test_planning_commutes_with_turns_for_a_drawing_model_whose_draws_do():
    """EquiIGD's draws turn only if the noise does; with one that is invariant, plans turn too."""
    model = freeze(build_model("equiigd").double())
    up = torch.diag(torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64))
    turns = 1

    def fixed_noise(shape, generator=None):
        return (turn_matrix(current) @ up).expand(*shape, 3, 3)

    model.prior = fixed_noise
    tsdf = fuse_tsdf(torch.from_numpy(depth_image()), CAMERA, fixed_view()).double()
    config = DetectionConfig(quality_threshold=0.01, quality_floor=0.01, num_samples=1)
    current = 0
    still = GraspPlanner(model, config).plan_tsdf(tsdf, level=True)
    current = turns
    moved = GraspPlanner(model, config).plan_tsdf(turn_grid(tsdf, turns), level=True)
    assert_same_set([turned(g, turns) for g in still.grasps], moved.grasps, 1e-6)

"""What a model that samples is trained on: goals that succeeded, all yaws judged, true times."""

import pytest
import torch

from equigrasp.geometry.rotations import geodesic_distance, random_rotations
from equigrasp.models.base import FlowTerms, GraspField
from equigrasp.models.equiigd import EquiIGD
from equigrasp.models.igd import IGD
from equigrasp.models.sampling import SamplingModel
from equigrasp.training.grasp_recipe import TrainingStep

SCENES, QUERIES, YAWS = 2, 6, 5
SUCCESS = torch.tensor(
    [
        [[0, 1, 0, 1, 0], [0, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0, 0, 1, 1, 1], [1] * 5, [1] * 5],
        [[0, 0, 0, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [1] * 5, [0] * 5],
    ]
).bool()
MASK = torch.tensor([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 0, 0]]).bool()


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class Watched(SamplingModel):
    """Features are the numbers of their points; what is asked of it is kept."""

    def __init__(self):
        super().__init__(8, "full", 0.05)
        self.asked = {}

    def encode(self, tsdf):
        return None

    def reader(self, features):
        return lambda points: points

    def attend(self, read, points):
        return torch.arange(SCENES * QUERIES).view(SCENES, QUERIES, 1).double()

    def quality_at(self, points, seen):
        return seen[..., 0]

    def occupancy_at(self, points, here):
        return here[..., 0]

    def judgement(self, read, seen, points, rotations):
        self.asked |= {"judged": rotations}
        return rotations[..., 0, 0], rotations[..., 1, 1]

    def flow_terms(self, seen, goal, generator):
        self.asked |= {"seen": seen, "goal": goal}
        return FlowTerms(goal, goal)

    prior = predict = sample_rotations = None


def batch():
    rotations = random_rotations((SCENES, QUERIES, YAWS), seeded(), torch.float64)
    return {
        "tsdf": torch.zeros(SCENES, 8, 8, 8),
        "points": torch.rand(SCENES, QUERIES, 3, generator=seeded()).double(),
        "rotations": rotations,
        "yaw_success": SUCCESS,
        "mask": MASK,
        "occ_points": torch.rand(SCENES, 4, 3, generator=seeded(1)).double(),
    }


@pytest.mark.parametrize("most", [2, 9])
def test_goals_are_yaws_that_succeeded_at_points_that_are_no_padding(most):
    model, data = Watched(), batch()
    field = model.training_field(None, data, 40, most, seeded())
    places = model.asked["seen"][:, 0].long().tolist()
    with_success = [[0, 2, 3], [7]]  # numbers of the points, scene by scene
    for scene, expected in enumerate(with_success):
        own = [place for place in places if place // QUERIES == scene]
        assert len(own) == len(set(own)) == min(most, len(expected))
        assert set(own) <= set(expected)
    for place, goals in zip(places, model.asked["goal"], strict=True):
        scene, point = divmod(place, QUERIES)
        known = data["rotations"][scene, point]
        nearest = (goals[:, None] - known).abs().amax((-1, -2)).min(1)
        assert nearest.values.max() == 0
        wanted = set(SUCCESS[scene, point].nonzero()[:, 0].tolist())
        assert set(nearest.indices.tolist()) == wanted  # all of them, among 40
    assert field.flow.target is model.asked["goal"]


def test_every_labelled_yaw_is_judged_and_every_asked_point_answered():
    model, data = Watched(), batch()
    field = model.training_field(None, data, 2, 1, seeded())
    assert torch.equal(model.asked["judged"], data["rotations"])
    assert torch.equal(field.confidence, data["rotations"][..., 0, 0])
    assert torch.equal(field.width, data["rotations"][..., 1, 1])
    assert torch.equal(field.quality.flatten(), torch.arange(12.0).double())
    assert torch.equal(field.occupancy, data["occ_points"][..., 0])


def test_a_step_asks_for_as_many_samples_as_the_loss_says():
    asked = []

    class Model(torch.nn.Module):
        def encode(self, tsdf):
            return (tsdf,)

        def training_field(self, features, batch, samples, points, generator):
            asked.append((features, batch, samples, points, generator))
            return GraspField()

    class Loss(torch.nn.Module):
        num_samples, points_per_scene = 3, 7

        def forward(self, raw, batch):
            return {"loss": batch["tsdf"].sum()}

    data, generator = batch(), seeded()
    TrainingStep(Model(), Loss())(data, generator)
    features, given, *rest = asked[0]
    assert torch.equal(features[0], data["tsdf"])
    assert given is data
    assert rest == [3, 7, generator]


@pytest.mark.parametrize("flow", ["so3", "euclidean"])
def test_equiigd_is_asked_at_the_time_its_state_has_between_noise_and_goal(flow, monkeypatch):
    options = {"fields": 1, "hidden_fields": 4, "head_blocks": 0, "flow_fields": 1}
    model = EquiIGD(resolution=8, flow=flow, flow_blocks=1, **options).double()
    asked = []

    def watch(context, state, time):
        asked.append((state, time))
        return torch.zeros(*state.shape[:2], 3 if flow == "so3" else 6).double()

    monkeypatch.setattr(model, "context", lambda seen: seen)
    monkeypatch.setattr(model, "predict", watch)
    goal = random_rotations((4, 9), seeded(1), torch.float64)
    with torch.no_grad():
        terms = model.flow_terms(torch.zeros(4, 2).double(), goal, seeded(5))
    noise = model.flow.prior((4, 9), seeded(5)).double()
    half = torch.diag(torch.tensor([-1.0, -1.0, 1.0])).double()
    both = torch.stack([goal, goal @ half], -3)[..., : noise.shape[-2], :]
    gaps = (both - noise[:, :, None]).square().sum((-1, -2))
    target = both.take_along_dim(gaps.argmin(-1)[..., None, None, None], -3).squeeze(-3)
    (state, time), *_ = asked
    assert 0 < time.min() < 0.2
    assert 0.8 < time.max() < 1
    if flow == "euclidean":
        expected = noise + time[..., None, None] * (target - noise)
        torch.testing.assert_close(state, expected)
        torch.testing.assert_close(terms.target, (target - noise).flatten(2))
    else:
        whole = geodesic_distance(noise, target)
        torch.testing.assert_close(geodesic_distance(noise, state), time * whole)
        torch.testing.assert_close(geodesic_distance(state, target), (1 - time) * whole)
        torch.testing.assert_close(terms.target.norm(dim=-1), whole)


def test_igd_is_asked_at_the_step_of_its_state_and_predicts_the_noise(monkeypatch):
    model = IGD(resolution=8, channels=4, blocks=1, flow_hidden=8).double()
    asked = []

    def watch(context, state, step):
        asked.append((state, step))
        return torch.zeros_like(state)

    monkeypatch.setattr(model, "predict", watch)
    goal = random_rotations((3, 50), seeded(1), torch.float64)
    noise = model.flow_terms(torch.zeros(3, 12).double(), goal, seeded()).target
    (state, step), *_ = asked
    kept = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 100), 0)[step][..., None].double()
    found = (state - (1 - kept).sqrt() * noise) / kept.sqrt()  # what was noised
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(3, 50).double(), rtol=0, atol=1e-5)
    x, y, z, w = found.unbind(-1)
    approach = torch.stack([2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y)], -1)
    torch.testing.assert_close(approach, goal[..., 2], rtol=0, atol=1e-4)
    equal = torch.stack([found, -found, *(s * torch.stack([y, -x, w, -z], -1) for s in (1, -1))])
    assert ((equal * noise).sum(-1) <= (found * noise).sum(-1) + 1e-9).all()  # the nearest

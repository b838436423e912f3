"""The contract of models: a toy of one's own keeps it, and what is broken is told."""

from collections.abc import Callable
from typing import ClassVar, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from equigrasp.geometry.turns import turn_matrix
from equigrasp.hand import PANDA
from equigrasp.models.base import GRASP_OUTPUTS, GraspField, GraspModel, check_points
from equigrasp.options import records_options
from equigrasp.testing import ModelContract


class Fill(NamedTuple):
    """How full scenes are, (B, 1)."""

    fill: Tensor


@records_options()
class Toy(GraspModel):
    """A grasp model of one's own, exact: it looks at heights and at the distance to the axis."""

    name: ClassVar[str] = "toy"
    outputs: ClassVar[tuple[str, ...]] = GRASP_OUTPUTS

    def __init__(self, resolution=8, width=4, encoding="full", query_setback=0.05, hand=PANDA):
        super().__init__(resolution, encoding, query_setback, hand)
        self.layers = nn.Sequential(nn.Linear(3, width), nn.Tanh(), nn.Linear(width, 3))

    @property
    def exact(self):
        return True

    def encode(self, tsdf):
        self.check_tsdf(tsdf)
        return Fill(tsdf.mean((1, 2, 3)).unsqueeze(1))

    def query_raw(self, features, points, outputs=GRASP_OUTPUTS):
        check_points(points, outputs, self.outputs)
        fill = features.fill.expand(points.shape[:2])
        seen = torch.stack([fill, points[..., :2].norm(dim=-1), points[..., 2]], -1)
        quality, share, turn = self.layers(seen).unbind(-1)
        found = {
            "quality": quality,
            "rotation": self.rows(points[..., :2], turn),
            "width": self.hand.opening * torch.sigmoid(share),
        }
        return GraspField(**{name: found[name] for name in outputs})

    def rows(self, place, turn):
        """Along the radius, across it, and upright, turned by some angle about the vertical."""
        x, y = place.unbind(-1)
        c, s = turn.cos(), turn.sin()
        first, second = torch.stack([c * x - s * y, s * x + c * y], -1), place
        across = torch.stack([-second[..., 1], second[..., 0]], -1)
        return torch.stack([first, across, torch.zeros_like(first)], -1)


class TestToy(ModelContract):
    kind = Toy
    config: ClassVar = {"width": 3, "hand": {**PANDA.to_dict(), "name": "mine", "opening": 0.1}}


class Forgetful(Toy):
    def __init__(self, width=4):
        super().__init__(width=width)


class Lazy(Toy):
    def __init__(self, width=4):
        super().__init__(width=width)
        self.unused = nn.Linear(2, 2)


class Mixing(Toy):
    def encode(self, tsdf):
        return Fill(super().encode(tsdf).fill.mean(0, keepdim=True).expand(len(tsdf), 1))


class Skewed(Toy):
    def query_raw(self, features, points, outputs=GRASP_OUTPUTS):
        raw = super().query_raw(features, points, outputs)
        return raw if raw.quality is None else raw._replace(quality=raw.quality + points[..., 0])


class Noisy(Toy):
    def encode(self, tsdf):
        fill = super().encode(tsdf).fill
        return Fill(fill + 0.1 * torch.randn(fill.shape, dtype=fill.dtype))


class Wide(Toy):
    def finish(self, raw):
        field = super().finish(raw)
        return field if field.width is None else field._replace(width=field.width + 0.2)


class Careless(Toy):
    def check_tsdf(self, tsdf):
        pass


class Unsound(Toy):
    def to_plain(self):
        twin = Toy(**self.options)
        return twin.to(next(self.parameters()))


BROKEN: dict[type[Toy], tuple[Callable[[ModelContract], None], str]] = {
    Forgetful: (ModelContract.test_options_are_recorded_and_make_it_again, "does not know its opt"),
    Lazy: (ModelContract.test_gradients_reach_every_parameter, "no gradient for .*unused"),
    Mixing: (ModelContract.test_a_batch_equals_its_scenes_one_by_one, "alone: quality differs"),
    Skewed: (ModelContract.test_it_keeps_the_symmetry_that_it_claims, "equivariance error"),
    Noisy: (ModelContract.test_a_generator_decides_all_that_is_random, "takes numbers from torch"),
    Wide: (ModelContract.test_answers_are_in_range, "width goes from 0.2"),
    Careless: (ModelContract.test_what_makes_no_sense_is_refused, "scene of another size: not"),
    Unsound: (ModelContract.test_frozen_it_gives_the_same_answers, "frozen: .* differs"),
}


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_what_is_broken_is_told(kind):
    check, message = BROKEN[kind]

    class Contract(ModelContract):
        pass

    Contract.kind, Contract.config = kind, {"width": 3}
    with pytest.raises((AssertionError, TypeError), match=message):
        check(Contract())


def test_the_toy_turns_with_the_scene():
    """As its author would check by hand."""
    place = torch.tensor([[0.2, 0.1]])
    turn = torch.zeros(1)
    rows = Toy().rows(place, turn)
    quarter = turn_matrix(1, torch.float32)[:2, :2]
    torch.testing.assert_close(Toy().rows(place @ quarter.T, turn), quarter @ rows)

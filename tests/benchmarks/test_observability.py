"""What differs between two frames is counted, and an exchanged answer is the only difference."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from observability import QUESTIONS as ASKED
from observability import table
from shared.exchanged import QUESTIONS, differing_pixels, differing_points

from equigrasp.policy.episodes.synthetic import random_frames
from equigrasp.policy.keyframes.clouds import Cloud
from sim.keyframes.environment import TaskEnvironment


def test_pixels_that_differ_are_counted_over_all_cameras():
    (first,), (second,) = (random_frames(0, 1, 8) for _ in range(2))
    assert differing_pixels(first, second) == 0
    second.images["front"].depth[0, 0] += 0.002
    second.images["front"].depth[0, 1] += 0.0005
    second.images["wrist"].rgb[2, 3] ^= 64
    assert differing_pixels(first, second) == 2


def test_points_that_differ_are_counted_by_cubes():
    xyz = np.array([[0.005, 0.005, 0.005], [0.015, 0.005, 0.005], [0.025, 0.005, 0.005]])
    first = Cloud(xyz.astype(np.float32), np.zeros((3, 3), np.float32))
    assert differing_points(first, first, 0.01) == 0
    moved = first.xyz + np.float32([[0.0005, 0, 0], [0.002, 0, 0], [0, 0, 0]])
    assert differing_points(first, first._replace(xyz=moved), 0.01) == 1
    tinted = first.rgb + np.float32([[0, 0, 0], [0, 0, 0], [0, 0.2, 0]])
    assert differing_points(first, Cloud(moved, tinted), 0.01) == 2
    fewer = Cloud(first.xyz[:1], first.rgb[:1])
    assert differing_points(first, fewer, 0.01) == 2


@pytest.fixture(scope="module")
def environment():
    with TaskEnvironment(("front", "wrist"), 32) as made:
        yield made


def test_shapes_and_outlines_change_places(environment):
    for name, bodies in (("which_shape", "bodies"), ("which_hole", "outlines")):
        exchange = QUESTIONS[name](environment, 0)
        stage, task = environment.stage, environment.task
        before = [stage.position(body) for body in getattr(task, bodies)]
        exchange()
        after = [stage.position(body) for body in getattr(task, bodies)]
        np.testing.assert_allclose(after, [before[1], before[0], before[2]], atol=1e-9)


def test_colours_of_buttons_change_places_and_a_press_leaves_no_trace(environment):
    exchange = QUESTIONS["which_button"](environment, 0)
    assert environment.task.pressed == [0]
    paint = environment.stage.p.getVisualShapeData
    before = [paint(button)[1][7] for button in environment.task.buttons]
    exchange()
    after = [paint(button)[1][7] for button in environment.task.buttons]
    assert after == [before[1], before[0], before[2]]
    assert before[0] != before[1]
    exchange = QUESTIONS["which_pressed"](environment, 0)
    assert environment.task.pressed == [0]
    seen, joints = environment.observe(), environment.arm.joints
    exchange()
    assert environment.task.pressed == []
    np.testing.assert_allclose(environment.arm.joints, joints, atol=1e-9)
    assert differing_pixels(seen, environment.observe()) <= 2


def test_the_table_has_a_line_for_every_question_and_size():
    names = ["pixels_128", *(f"{kind}_128_{mm}" for kind in ("points", "kept") for mm in (10, 5))]
    rows = [dict.fromkeys(names, 4.0), dict.fromkeys(names, 2.0)]
    text = table(dict.fromkeys(ASKED, rows), [128])
    assert set(ASKED) == set(QUESTIONS)
    assert text.count("| 128 | 3 (2) | 3 (2), 3 (2) | 3 (2), 3 (2) |") == len(ASKED)

"""A planner in a process of its own: what goes to and fro, and what becomes of it when it fails."""

import os
import re
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from equigrasp.hand import PANDA
from equigrasp.perception.camera import DEFAULT_INTRINSICS
from equigrasp.workspace import WORKSPACE
from sim.clutter.outside import PlannerView
from sim.clutter.outside_process import PlannerProcess, PlannerProcessError

HEAD = """
    import json, os, sys
    import numpy as np
    say = lambda **message: print(json.dumps(message), flush=True)
    begin = json.loads(sys.stdin.readline())
"""
TALK = """
    print("loading weights ...")
    print("{not json")
    say(say="ready", convention="graspnet", frame="camera")
    for number, line in enumerate(sys.stdin):
        asked = json.loads(line)
        view = np.load(asked["view"], allow_pickle=False)
        pose = np.eye(4)
        pose[0, 3] = os.getpid()
        pose[1, 3] = view["depth"].sum() + view["cloud"].sum() + view["mask"].sum()
        np.savez(asked["grasps"], poses=pose[None], widths=[begin["hand"]["opening"]],
                 scores=[number], depths=[begin["workspace"]["side"]])
        say(say="planned")
"""


@pytest.fixture
def view():
    rng = np.random.default_rng(3)
    depth = rng.random((4, 5), "f4")
    cloud = rng.random((7, 3), "f4")
    mask = rng.random((4, 5)) < 0.5
    more = ((depth + 1, np.eye(4)),)
    return PlannerView(
        depth, DEFAULT_INTRINSICS, np.eye(4), cloud, mask, PANDA, WORKSPACE, rng, more
    )


@pytest.fixture
def process(tmp_path):
    made = []

    def make(text, seconds=20.0):
        path = tmp_path / "planner.py"
        path.write_text(textwrap.dedent(HEAD) + textwrap.dedent(text))
        made.append(PlannerProcess([sys.executable, str(path)], PANDA, seconds))
        return made[-1]

    yield make
    for each in made:
        each.close()


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_arrays_go_there_and_grasps_come_back_from_one_process(process, view):
    talker = process(TALK)
    first, second = talker.ask(view), talker.ask(view)
    assert (talker.convention, talker.frame) == ("graspnet", "camera")
    pid = int(first.poses[0, 0, 3])
    assert pid == int(second.poses[0, 0, 3])
    assert [first.scores[0], second.scores[0]] == [0, 1]
    expected = float(view.depth.sum() + view.cloud.sum() + view.mask.sum())
    assert first.poses[0, 1, 3] == pytest.approx(expected, rel=1e-5)
    assert (first.widths[0], first.depths[0]) == (PANDA.opening, WORKSPACE.side)
    assert alive(pid)
    talker.close()
    assert not alive(pid)


READY = 'say(say="ready")\n'
ANSWER = READY + "for line in sys.stdin:\n    asked = json.loads(line)\n    "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("print('no GPU', file=sys.stderr); sys.exit(3)", "status 3; its last words: no GPU"),
        ('say(say="ready", convention="left")', "convention is 'left'"),
        (ANSWER + 'say(say="failed", message="out of memory")', "failed: out of memory"),
        (ANSWER + 'say(say="planned")', "left no grasps to read"),
        (ANSWER + 'say(say="done")', "said 'done' instead of 'planned'"),
        (
            ANSWER + 'np.savez(asked["grasps"], poses=np.eye(4)); say(say="planned")',
            "left no grasps to read: .*widths",
        ),
        (
            ANSWER + 'np.savez(asked["grasps"], poses=np.array([{}]), widths=[], scores=[]); '
            'say(say="planned")',
            "left no grasps to read: .*allow_pickle",
        ),
    ],
)
def test_failures_are_told_in_a_sentence(process, view, text, message):
    with pytest.raises(PlannerProcessError, match=message):
        process(text).ask(view)


def test_a_slow_plan_is_ended_and_the_next_question_starts_anew(process, view, tmp_path):
    slow = f"""
        import time
        open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
        say(say="ready")
        sys.stdin.readline()
        time.sleep(100_000)  # who waited for it would meet the test's time limit
    """
    waiting = process(slow, seconds=0.5)
    with pytest.raises(PlannerProcessError, match="did not answer within 0.5 s.*--plan-timeout"):
        waiting.ask(view)
    assert not alive(int((tmp_path / "pid").read_text()))
    (tmp_path / "planner.py").write_text(textwrap.dedent(HEAD) + textwrap.dedent(TALK))
    assert waiting.ask(view).scores[0] == 0


def test_a_program_that_is_not_there_is_named(view):
    with pytest.raises(PlannerProcessError, match=re.escape("`no-such-program` cannot be started")):
        PlannerProcess(["no-such-program"], PANDA, 1.0).ask(view)


def test_it_dies_with_a_killed_evaluation(tmp_path):
    """However the process that asks ends, what it started is gone."""
    (tmp_path / "planner.py").write_text(
        textwrap.dedent(HEAD) + READY + "import time\ntime.sleep(60)\n"
    )
    code = f"""
        import sys
        import numpy as np
        from equigrasp.hand import PANDA
        from equigrasp.perception.camera import DEFAULT_INTRINSICS
        from equigrasp.workspace import WORKSPACE
        from sim.clutter.outside import PlannerView
        from sim.clutter.outside_process import PlannerProcess
        talker = PlannerProcess([sys.executable, {str(tmp_path / "planner.py")!r}], PANDA, 60.0)
        empty = np.zeros((2, 2), "f4")
        rng = np.random.default_rng(0)
        look = (empty, DEFAULT_INTRINSICS, np.eye(4), empty, empty, PANDA, WORKSPACE, rng)
        view = PlannerView(*look)
        talker._start(view)
        print(talker._process.pid, flush=True)
        sys.stdin.read()
    """
    asker = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    with asker:
        pid = int(asker.stdout.readline())
        assert alive(pid)
        asker.kill()
    while alive(pid):  # or the test runs into its time limit
        time.sleep(0.02)

"""What commands there are, and the functions behind them."""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """One command.

    Attributes:
        summary: what it does, a line.
        home: "module:function" that does it, called with what was typed after the name.
        example: a line that works as it stands, in a folder where the lines before it ran.
        resume: what an interruption means.
        takes_arguments: whether the function takes them; else it reads `sys.argv`.
    """

    summary: str
    home: str
    example: str
    resume: str = "nothing was left half done"
    takes_arguments: bool = True


AGAIN = "the same command goes on from here"

COMMANDS = {
    "sample": Command(
        "write a sample depth image with its camera, to try the others on",
        "equigrasp.cli.samples:main",
        "equigrasp sample looks",
    ),
    "plan": Command(
        "grasps for a depth image and its camera",
        "equigrasp.cli.plan:main",
        "equigrasp plan looks/depth.png --camera looks/camera.json --pose looks/pose.json "
        "--out grasps.json",
    ),
    "serve": Command(
        "let other processes ask a planner over HTTP",
        "equigrasp.cli.serve:main",
        "equigrasp serve --model equigiga_pile --port 0",
    ),
    "doctor": Command(
        "check the installation, and a camera with its pose",
        "equigrasp.doctor:main",
        "equigrasp doctor --camera looks/camera.json --pose looks/pose.json "
        "--depth looks/depth.png --model equigiga_pile",
    ),
    "data": Command(
        "make, check or count training data: packed, pile, adversarial, verify, stats",
        "equigrasp.cli.data:main",
        "equigrasp data packed",
        AGAIN,
    ),
    "train": Command(
        "train a model, or a policy",
        "equigrasp.train:main",
        "equigrasp train model=equiigd",
        AGAIN,
        takes_arguments=False,
    ),
    "eval": Command(
        "clear scenes with a planner: success and declutter rate",
        "sim.clutter_eval:main",
        "equigrasp eval --scene packed",
        AGAIN,
    ),
    "report": Command(
        "one HTML page of a training, an evaluation or several",
        "sim.report:main",
        "equigrasp report runs/equiigd_packed_seed0",
    ),
    "view": Command(
        "look at a scene of a data set, saved grasps, or a round of an evaluation",
        "equigrasp.cli.view:main",
        "equigrasp view data/packed/scenes/000000.npz --pictures looks",
    ),
    "objects": Command(
        "list, check or prepare sets of objects",
        "sim.objects.__main__:main",
        "equigrasp objects list --kind packed --split test",
        AGAIN,
    ),
    "calibrate": Command(
        "fit the map from a model's scores to probabilities of success",
        "sim.calibrate:main",
        "equigrasp calibrate --model equiigd_packed --scene packed --dry-run",
        AGAIN,
    ),
    "demos": Command(
        "make demonstrations of tasks, for policies",
        "data_gen.demos:main",
        "equigrasp demos --tasks stack_blocks",
        AGAIN,
    ),
    "pusht": Command(
        "make demonstrations of PushT, for diffusion policies",
        "data_gen.pusht:main",
        "equigrasp pusht --episodes 2 --out data/pusht_2",
        AGAIN,
    ),
    "eval-policy": Command(
        "play tasks with a policy",
        "sim.policy_eval:main",
        "equigrasp eval-policy --policy oracle --tasks stack_blocks --episodes 2 --seeds 1",
        AGAIN,
    ),
}
"""By name, in the order in which somebody meets them."""

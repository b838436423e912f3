"""Recordings of real robots into episodes that training reads.

    python -m equigrasp.policy.record recordings --out data/real
    python -m equigrasp.policy.record DATA_SET --out data/real --cameras cameras.json \\
        --pose 'observation.state[0:7]' --gripper 'observation.state[7]'

RECORDINGS are folders of PNGs with poses in JSON (`equigrasp/policy/recording/folders.py`;
`Recorder` writes them), or a LeRobot data set with pictures in its tables or in videos (extra
`videos`). Depth is registered to colour, focal lengths are positive, and the world is whatever
frame the poses of tip and cameras share.

Keyframes are the frames marked by hand ("keyframes" in episode.json, or --marks); where nobody
marked any, those at which the gripper opens or closes, and the last. Only keyframes are kept,
unless --all-frames is given. Interrupted at any moment, the same command goes on; takes that were
marked or calibrated anew are converted again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from equigrasp.data.endings import ending
from equigrasp.data.files import read_json
from equigrasp.options import is_finite
from equigrasp.policy.episodes.files import Episode, find_episodes
from equigrasp.policy.episodes.keypoints import keyframe_actions
from equigrasp.policy.keyframes.clouds import CloudSettings
from equigrasp.policy.recording.convert import Outcome, convert_all
from equigrasp.policy.recording.folders import find_takes, read_take
from equigrasp.policy.recording.lerobot_takes import Columns, is_lerobot, lerobot_takes
from equigrasp.policy.recording.rig import CAMERAS_FILE, Rig
from equigrasp.policy.recording.take import RecordingError, Take

ROOM = 0.15
"""Metres around the tips that a box for clouds should have."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    options = parser().parse_args(arguments)
    return ending(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    takes = list(takes_of(options))
    outcome = convert_all(
        takes,
        options.out,
        all_frames=options.all_frames,
        tell=lambda line: print(line, flush=True),
    )
    print("\n".join(summary(outcome, options.out)))
    for fault in outcome.faults:
        print(f"error: {fault}", file=sys.stderr)
    return 1 if outcome.faults else 0


def parser() -> argparse.ArgumentParser:
    """Command-line options."""
    found = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = found.add_argument
    add("recordings", type=Path, help="folder of TASK/TAKE/episode.json, or a LeRobot data set")
    add("--out", type=Path, default=Path("data/real"), help="data set of episodes")
    add("--all-frames", action="store_true", help="keep frames that training does not look at")
    add("--widest", type=float, metavar="M", help="the gripper's opening is in metres, up to M")
    only = found.add_argument_group("of a LeRobot data set")
    add, default = only.add_argument, Columns()
    add("--cameras", type=Path, help=f"the set-up (default: {CAMERAS_FILE} in the data set)")
    add("--pose", default=default.pose, metavar="COLUMN", help=f"of the tip ({default.pose})")
    add("--gripper", default=default.gripper, metavar="COLUMN", help=f"({default.gripper})")
    for kind in ("rgb", "depth", "camera-pose"):
        add(f"--{kind}", nargs="+", default=[], metavar="CAMERA=COLUMN")
    add("--marks", type=Path, help='JSON of keyframes by episode: {"0": [12, 40]}')
    add("--task", help="name of the only task; without it, every sentence is a task")
    return found


def takes_of(options: argparse.Namespace) -> Iterator[Take | RecordingError]:
    """Takes of the recordings, in order; in the place of one that cannot be read, why.

    Raises:
        ValueError, FileNotFoundError: there are none, or an option makes no sense.
        ImportError: a LeRobot data set without pyarrow.
    """
    root, widest = options.recordings, options.widest
    if not root.is_dir():
        raise FileNotFoundError(f"there is no folder {root}")
    if widest is not None and not (is_finite(widest) and widest > 0):
        raise ValueError(f"--widest is {widest}; give the widest opening in metres, as 0.08")
    if is_lerobot(root):
        yield from lerobot_takes(
            root,
            Rig.load(options.cameras or root / CAMERAS_FILE),
            Columns(
                options.pose,
                options.gripper,
                widest,
                _by_camera("rgb", options.rgb),
                _by_camera("depth", options.depth),
                _by_camera("camera-pose", options.camera_pose),
            ),
            marks=None if options.marks is None else read_marks(options.marks),
            task=options.task,
        )
        return
    for folder in find_takes(root):
        try:
            yield read_take(folder, widest=widest)
        except RecordingError as error:
            yield error


def read_marks(path: Path) -> dict[int, list[int]]:
    """Keyframes by number of the episode.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds something else.
    """
    told = read_json(path)
    if not isinstance(told, dict) or not all(str(key).isdigit() for key in told):
        raise ValueError(f'{path} holds no marks; give {{"0": [12, 40], "1": [9, 33]}}')
    return {int(key): marked for key, marked in told.items()}


def summary(outcome: Outcome, out: Path) -> list[str]:
    """Lines for a person: what was made, what looks odd, and how to train on it."""
    told = f"{out}: {len(outcome.made)} episodes made, {len(outcome.kept)} kept as they were"
    lines = [f"{told}, {len(outcome.faults)} takes not usable"]
    if outcome.still:
        lines.append(
            f"the gripper never changes in {', '.join(outcome.still)}: no keyframe tells what it "
            'did on the way; mark some ("keyframes": [12, 40] in episode.json, or --marks)'
        )
    episodes = find_episodes(out)
    return lines + box_advice(episodes) if episodes else lines


def box_advice(episodes: Sequence[Episode]) -> list[str]:
    """What to tell training where tips lie outside of the box that it cuts clouds to."""
    actions = [keyframe_actions(e.demo, [0, *e.keypoints])[:, :3] for e in episodes]
    tips, box = np.concatenate(actions), CloudSettings()
    low, high = tips.min(0), tips.max(0)
    if (low >= box.low).all() and (high <= box.high).all():
        return []
    lower, upper = (np.round(each, 2).tolist() for each in (low - ROOM, high + ROOM))
    return [
        f"tips reach from {low.round(3).tolist()} to {high.round(3).tolist()} m; training keeps "
        f"what lies from {list(box.low)} to {list(box.high)}. Set the box, and the height Z of the "
        "table in your world:",
        f"  data.cloud.low={lower} data.cloud.high={upper}".replace(", ", ",")
        + " data.cloud.table_top=Z model.table_top=Z",
    ]


def _by_camera(name: str, given: Sequence[str]) -> dict[str, str]:
    pairs = [each.partition("=") for each in given]
    if wrong := ["".join(pair) for pair in pairs if not all(pair)]:
        raise ValueError(f"--{name} is {wrong[0]}; give CAMERA=COLUMN")
    return {camera: column for camera, _, column in pairs}


if __name__ == "__main__":
    sys.exit(main())

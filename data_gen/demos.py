"""Make scripted demonstrations of the task suite, in RLBench's layout.

python data_gen/demos.py                                  # all tasks, 100 episodes each
python data_gen/demos.py --tasks stack_blocks press_buttons --episodes 20 --out data/two_tasks
python data_gen/demos.py --engine ray --workers 64        # on a Ray cluster that shares --out
python data_gen/demos.py --frames keyframes --image-size 256 --recover 0.5 --out data/recovered
python data_gen/demos.py --recover 1 --errors-of mini_diffuser_tasks --image-size 256 --tasks \
    drag_with_stick --frames keyframes --out data/corrected
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data_gen.announcement import episodes_announcement
from data_gen.data_set import GenerationError
from data_gen.episode_runs import agree, episode_parser, make_episodes
from equigrasp.data.endings import ending
from equigrasp.data.files import read_json
from equigrasp.data.folder_lock import LEFTOVERS, hold_folder
from equigrasp.policy.episodes.files import LAYOUTS, LOW_DIM
from equigrasp.sizes import default_size
from sim.keyframes.suite import file_digest, known_tasks, saved_files, shared_name
from sim.workers.jobs import Failed, Job, WorkerError
from sim.workers.run import ENGINES

KILLED = (LEFTOVERS, f"*/*/episodes/{LEFTOVERS}")
"""Where killed runs leave something."""
FRAMES = ("all", "keyframes")
"""Which frames of an episode are kept: all, or where it starts and its keyframes, which are marked.
Frames between are most of the work, and keyframe policies do not read them."""
EPISODES = 100
"""Of every task, where nobody chose."""
EPISODE_SIZES = {"all": (4.5, 3.0), "keyframes": (1.2, 0.7)}
"""Of one episode with images of 128 pixels, by its frames: seconds of one core of a 2025 server
CPU, and MB."""


@dataclass(frozen=True)
class DemoSettings:
    """What the episodes of a folder depend on, besides task and number.

    Attributes:
        seed: the scene of episode i of a task follows from (seed, task, i).
        image_size: pixels per side of every camera.
        layout: one of RLBench's two.
        recover: share of the episodes in which the arm misses waypoints on purpose and recovers.
        frames: that are kept, one of `FRAMES`.
        errors_of: policy that errs in these episodes; "" for misses at random.

    Raises:
        ValueError: a share outside 0 to 1, images that are too small, no such choice of frames, a
            policy that errs in none of the episodes.
    """

    seed: int = 0
    image_size: int = 128
    layout: str = "all_variations"
    recover: float = 0.0
    frames: str = FRAMES[0]
    errors_of: str = ""

    def __post_init__(self) -> None:
        if self.image_size < 8:
            raise ValueError(f"--image-size is {self.image_size}; give at least 8 pixels")
        if not 0 <= self.recover <= 1:
            raise ValueError(f"--recover is {self.recover}; give a share from 0 to 1")
        if self.frames not in FRAMES:
            raise ValueError(f"--frames is {self.frames!r}; give one of {', '.join(FRAMES)}")
        if self.errors_of and not self.recover:
            raise ValueError(
                f"--errors-of {self.errors_of} errs in none of the episodes; say in what share of "
                "them by --recover, for instance 0.5"
            )

    def told(self) -> dict[str, Any]:
        """What is written down of them; not what folders of before do not tell, where it is as it
        was then. Of a trained policy the weights count, not where they lie.

        Raises:
            ValueError: there is no such policy.
        """
        usual = {"recover": 0.0, "frames": FRAMES[0], "errors_of": ""}
        told = {k: v for k, v in asdict(self).items() if k not in usual or v != usual[k]}
        if self.errors_of and ":" not in self.errors_of:
            told["errors_of"] = file_digest(saved_files(self.errors_of)[0])
        return told


def make_demonstrations(
    out: Path,
    variations: Mapping[str, int],
    episodes: int,
    settings: DemoSettings,
    *,
    workers: int = 1,
    timeout_s: float = 120.0,
    engine: str = "local",
) -> list[Failed]:
    """Write the episodes that are not there yet; the failures are returned.

    Args:
        out: folder of the data set.
        variations: number of variations of every task wanted.
        episodes: of every task.
        settings: what they depend on besides.
        workers: processes.
        timeout_s: longest time for an episode.
        engine: "local", or "ray" for the machines of a Ray cluster, which have to share `out`.

    Raises:
        ValueError: the folder was begun with other settings, another run works on it, or a number
            makes no sense.
        WorkerError: the simulator cannot be started.
        GenerationError: the machine fails (disk full, memory); nothing is lost.
        ImportError: for engine "ray" without Ray.
    """
    if episodes < 1:
        raise ValueError(f"--episodes is {episodes}; give at least 1")
    with hold_folder(out, "choose another --out", leftovers=KILLED):
        agree(out, settings.told())
        todo = _missing(out, variations, episodes, settings)
        seconds, megabytes = EPISODE_SIZES[settings.frames]
        size = {"seconds": seconds, "megabytes": megabytes}
        told = episodes_announcement(out, len(todo), len(variations) * episodes, workers, **size)
        print(told, file=sys.stderr)
        limits = {"workers": workers, "timeout_s": timeout_s, "engine": engine}
        return make_episodes("data_gen.demonstrations:make_episode", todo, **limits)


def _missing(
    out: Path, variations: Mapping[str, int], episodes: int, settings: DemoSettings
) -> list[Job]:
    root = str(out.resolve())  # workers of a cluster start in folders of their own
    errs = settings.errors_of and shared_name(settings.errors_of)
    common = {**asdict(settings), "errors_of": errs}
    return [
        Job((name, index), {"root": root, "task": name, "index": index, **common})
        for index in range(episodes)
        for name, count in variations.items()
        if not (episode_folder(out, name, count, index, settings.layout) / LOW_DIM).exists()
    ]


def check_policy(settings: DemoSettings, tasks: Iterable[str]) -> None:
    """That a trained policy which shall err has learned these tasks, from images of this size.

    Raises:
        ValueError: it has not, or there is no such policy.
    """
    if not settings.errors_of or ":" in settings.errors_of:
        return
    card = read_json(saved_files(settings.errors_of)[1])
    if (size := card.get("image_size", settings.image_size)) != settings.image_size:
        raise ValueError(
            f"--image-size is {settings.image_size}, but {settings.errors_of} has learned from "
            f"images of {size} pixels; give --image-size {size}"
        )
    if unknown := sorted(set(tasks) - set(card.get("tasks") or tasks)):
        raise ValueError(
            f"{settings.errors_of} has not learned {', '.join(unknown)}; choose from "
            f"{', '.join(card['tasks'])} by --tasks"
        )


def episode_folder(out: Path, task: str, variations: int, index: int, layout: str) -> Path:
    """Folder of an episode; it appears there whole or not at all.

    Args:
        out: folder of the data set.
        task: name.
        variations: how many the task has; episodes take turns with them.
        index: of the episode among all of its task.
        layout: one of `LAYOUTS`.
    """
    number, variation = divmod(index, variations)
    if layout == LAYOUTS[1]:
        return out / task / layout / "episodes" / f"episode{index}"
    return out / task / f"variation{variation}" / "episodes" / f"episode{number}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    counted = f"of every task (without it: {EPISODES})"
    parser = episode_parser(__doc__.splitlines()[0], Path("data/demos"), counted)
    default = DemoSettings()
    parser.add_argument("--tasks", nargs="+", default=["all"], help="names, or all")
    parser.add_argument("--image-size", type=int, default=default.image_size, help="pixels a side")
    parser.add_argument("--layout", choices=LAYOUTS, default=default.layout, help="of folders")
    parser.add_argument(
        "--recover",
        type=float,
        default=default.recover,
        metavar="SHARE",
        help="of the episodes in which the arm misses waypoints on purpose and recovers",
    )
    parser.add_argument(
        "--errors-of",
        default=default.errors_of,
        metavar="POLICY",
        help="in these episodes a trained policy (run, file, shipped name) or MODULE:CLASS acts in "
        "place of half of the waypoints, and the script makes good what it does wrong",
    )
    parser.add_argument(
        "--frames",
        choices=FRAMES,
        default=default.frames,
        help="that are kept; keyframes: the first one and those that end an action, marked, in a "
        "quarter of the time and space; keyframe policies read no others",
    )
    parser.add_argument("--engine", choices=ENGINES, default="local", help="ray: of a Ray cluster")
    options = parser.parse_args(arguments)
    return ending(lambda: _run(options), WorkerError, GenerationError)


def _run(options: argparse.Namespace) -> int:
    variations = known_tasks(options.tasks)
    settings = DemoSettings(
        **{name: getattr(options, name) for name in DemoSettings.__dataclass_fields__}
    )
    check_policy(settings, variations)
    if options.episodes is None:
        options.episodes = default_size(EPISODES)
    failures = make_demonstrations(
        options.out,
        variations,
        options.episodes,
        settings,
        workers=options.workers,
        timeout_s=options.timeout,
        engine=options.engine,
    )
    print(f"{len(variations)} tasks, {options.episodes} episodes each, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

"""Make demonstrations of PushT with a planner, as files of Diffusion Policy and of LeRobot.

python data_gen/pusht.py                                # 200 episodes in data/pusht
python data_gen/pusht.py --episodes 30 --out data/pusht_30

The planner tries pushes in the environment's own physics and plays a good one, until the T covers
more than 95 % of its goal. data/pusht/pusht.zarr has the layout of Diffusion Policy's replay
buffer, data/pusht/lerobot that of a LeRobot data set (v3.0); training reads either, and yours.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from data_gen.announcement import episodes_announcement
from data_gen.data_set import GenerationError
from data_gen.episode_runs import agree, episode_parser, make_episodes
from equigrasp.data.endings import ending
from equigrasp.data.files import ArrayFileError
from equigrasp.data.folder_lock import LEFTOVERS, hold_folder
from equigrasp.optional import require_extra
from equigrasp.policy.replays.diffusion_policy_files import write_diffusion_policy
from equigrasp.policy.replays.lerobot_files import write_lerobot
from equigrasp.policy.replays.read import LEROBOT, ZARR, read_replay
from equigrasp.policy.replays.replay import Replay, joined
from equigrasp.sizes import default_size
from sim.pusht.demonstrate import episode_path, read_episode
from sim.pusht.planner import PlannerSettings
from sim.workers.jobs import Failed, Job, WorkerError

EPISODES = 200
"""Where nobody chose."""
EPISODE_SECONDS, EPISODE_MB = 1.5, 0.25
"""Of one episode: time of one core of a 2025 server CPU, and size in all layouts."""
LAYOUTS = {ZARR: write_diffusion_policy, LEROBOT: write_lerobot}
KILLED = (LEFTOVERS, f"episodes/{LEFTOVERS}")


def make_demonstrations(
    out: Path, episodes: int, seed: int, *, workers: int = 1, timeout_s: float = 120.0
) -> list[Failed]:
    """Make the episodes that are not there yet, then write both layouts; failures are returned.

    Args:
        out: folder of the data set.
        episodes: in all.
        seed: episode i follows from (seed, i).
        workers: processes.
        timeout_s: longest time for an episode.

    Raises:
        ValueError: the folder was begun with another seed or another planner, another run works on
            it, or a number makes no sense.
        WorkerError: the simulator cannot be started.
        GenerationError: the machine fails (disk full, memory); nothing is lost.
        ImportError: a package of the extra `pusht` is missing.
    """
    require_extra("pusht", "PushT")
    if episodes < 1:
        raise ValueError(f"--episodes is {episodes}; give at least 1")
    with hold_folder(out, "choose another --out", leftovers=KILLED):
        # as JSON has it: a tuple comes back as a list
        planner = json.loads(json.dumps(asdict(PlannerSettings())))
        agree(out, {"seed": seed, "planner": planner})
        todo = [
            Job(index, {"root": str(out), "seed": seed, "index": index})
            for index in range(episodes)
            if not episode_path(out, index).exists()
        ]
        size = {"seconds": EPISODE_SECONDS, "megabytes": EPISODE_MB}
        told = episodes_announcement(out, len(todo), episodes, workers, **size)
        print(told, file=sys.stderr)
        failures = make_episodes(
            "sim.pusht.demonstrate:make_episode", todo, workers=workers, timeout_s=timeout_s
        )
        paths = [path for i in range(episodes) if (path := episode_path(out, i)).exists()]
        write_layouts(out, paths)
    return failures


def write_layouts(out: Path, paths: Sequence[Path]) -> None:
    """Write the layouts that do not hold these episodes yet.

    Args:
        out: folder of the data set.
        paths: of the episodes.

    Raises:
        ValueError: an episode is torn.
    """
    late = [name for name in LAYOUTS if not holds(out / name, len(paths))]
    if not paths or not late:
        return
    replay = joined([_read(path) for path in paths])
    for name in late:
        shutil.rmtree(out / name, ignore_errors=True)
        LAYOUTS[name](replay, out / name)


def holds(folder: Path, episodes: int) -> bool:
    """Whether a layout is there and holds so many episodes."""
    return folder.is_dir() and len(read_replay(folder, images=False).ends) == episodes


def _read(path: Path) -> Replay:
    try:
        return read_episode(path)
    except ArrayFileError as error:
        raise ValueError(f"{path}: {error}; remove it and run the same command again") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    counted = f"in all (without it: {EPISODES})"
    parser = episode_parser(__doc__.splitlines()[0], Path("data/pusht"), counted)
    options = parser.parse_args(arguments)
    return ending(lambda: _run(options), WorkerError, GenerationError)


def _run(options: argparse.Namespace) -> int:
    episodes = default_size(EPISODES) if options.episodes is None else options.episodes
    failures = make_demonstrations(
        options.out, episodes, options.seed, workers=options.workers, timeout_s=options.timeout
    )
    print(f"{episodes} episodes in {options.out}, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

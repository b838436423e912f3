"""List what a folder of RLBench episodes holds, and what is wrong with it.

    python -m equigrasp.policy.episodes.inspect DIR          # exit status 1 if anything is wrong
    python -m equigrasp.policy.episodes.inspect DIR --deep   # decode every image as well
    python -m equigrasp.policy.episodes.inspect DIR --task T --episode 3 --sheet sheet.png

The sheet shows an episode's first frame and its keyframes, a row each, as every camera saw them.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from equigrasp.data.files import write_atomically
from equigrasp.policy.episodes.faults import episode_faults
from equigrasp.policy.episodes.files import Episode, EpisodeError, find_episodes
from equigrasp.policy.episodes.frames import CAMERAS

LABEL = 14
"""Height of a line of text on the sheet, in pixels."""


@dataclass
class TaskSummary:
    """What the episodes of one task hold; faulty ones count as episodes and for nothing else."""

    task: str
    episodes: int = 0
    variations: set[int] = field(default_factory=set)
    frames: list[int] = field(default_factory=list)
    keypoints: list[int] = field(default_factory=list)
    sentences: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    def add(self, episode: Episode, *, deep: bool) -> None:
        """Count an episode; `deep` decodes its images to find faults."""
        self.episodes += 1
        faults = episode_faults(episode, deep=deep)
        self.faults += faults
        try:
            self.frames.append(len(episode))
            self.keypoints.append(len(episode.keypoints))
            self.variations.add(episode.variation)
            self.sentences |= set(episode.descriptions)
        except EpisodeError:
            return  # named among the faults

    def row(self) -> list[str]:
        """Cells of `text_table`."""
        return [
            self.task,
            str(self.episodes),
            str(len(self.variations)),
            _range(self.frames),
            _range(self.keypoints),
            str(len(self.sentences)),
            str(len(self.faults)),
        ]


def inspect(
    root: str | Path, tasks: Sequence[str] | None = None, *, deep: bool = False
) -> list[TaskSummary]:
    """A summary of every task below a folder.

    Args:
        root: folder of tasks.
        tasks: names; None takes all.
        deep: whether every image is decoded as well, which takes long.

    Raises:
        FileNotFoundError: no such folder or task.
    """
    summaries: dict[str, TaskSummary] = {}
    for episode in find_episodes(root, tasks):
        summary = summaries.setdefault(episode.task, TaskSummary(episode.task))
        summary.add(episode, deep=deep)
    return list(summaries.values())


def contact_sheet(episode: Episode) -> bytes:
    """PNG of the first frame and the keyframes of an episode, as every camera saw them.

    Raises:
        EpisodeError: there are no images, or one is torn.
    """
    from PIL import Image, ImageDraw

    present = episode.cameras
    if not present:
        raise EpisodeError(f"{episode.path}: holds no images of {', '.join(CAMERAS)} or others")
    shown = [0, *episode.keypoints]
    sizes = [episode.rgb(camera, 0).shape[:2] for camera in present]
    height, width = np.max(sizes, axis=0).tolist()
    sheet = Image.new("RGB", (len(present) * width, LABEL + len(shown) * (height + LABEL)), "white")
    canvas = ImageDraw.Draw(sheet)
    words = f"{episode.task}, variation {episode.variation}: {episode.descriptions[0]}"
    canvas.text((2, 1), words, fill="black")
    for row, frame in enumerate(shown):
        top = LABEL + row * (height + LABEL)
        state = "open" if episode.demo[frame].gripper_open else "closed"
        canvas.text((2, top + 1), f"frame {frame}, gripper {state}", fill="black")
        for column, camera in enumerate(present):
            image = np.ascontiguousarray(episode.rgb(camera, frame))
            sheet.paste(Image.fromarray(image), (column * width, top + LABEL))
    target = io.BytesIO()
    sheet.save(target, "PNG")
    return target.getvalue()


def text_table(summaries: Sequence[TaskSummary]) -> str:
    """Text table, a task a line."""
    head = ["task", "episodes", "variations", "frames", "keyframes", "sentences", "faults"]
    rows = [head, *(summary.row() for summary in summaries)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return "\n".join(
        "  ".join(f"{cell:{'<' if i == 0 else '>'}{widths[i]}}" for i, cell in enumerate(row))
        for row in rows
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path, help="folder of tasks")
    parser.add_argument("--task", nargs="+", help="only these")
    parser.add_argument("--deep", action="store_true", help="decode every image")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet here")
    parser.add_argument("--episode", type=int, default=0, help="of the sheet, counted from 0")
    options = parser.parse_args(arguments)
    try:
        summaries = inspect(options.root, options.task, deep=options.deep)
        if not summaries:
            print(
                f"{options.root} holds no episodes (TASK/variationV/episodes/episodeE or ", end=""
            )
            print("TASK/all_variations/episodes/episodeE)")
            return 1
        print(text_table(summaries))
        if options.sheet:
            _write_sheet(options)
    except (FileNotFoundError, EpisodeError) as error:
        print(error, file=sys.stderr)
        return 1
    faults = [fault for summary in summaries for fault in summary.faults]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


def _write_sheet(options: argparse.Namespace) -> None:
    episodes = find_episodes(options.root, options.task)
    if not 0 <= options.episode < len(episodes):
        raise EpisodeError(
            f"--episode is {options.episode}; there are {len(episodes)}, counted from 0"
        )
    options.sheet.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(options.sheet, contact_sheet(episodes[options.episode]))
    print(f"wrote {options.sheet}")


def _range(values: Sequence[int]) -> str:
    if not values:
        return "-"
    return f"{min(values)}-{max(values)} ({statistics.median(values):g})"


if __name__ == "__main__":
    sys.exit(main())

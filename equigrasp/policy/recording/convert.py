"""Takes into episodes that training reads; what is there already is not made again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from equigrasp.data.files import read_json, write_json
from equigrasp.data.folder_lock import LEFTOVERS, hold_folder
from equigrasp.policy.episodes.files import ALL_VARIATIONS, LOW_DIM, Episode, write_episode
from equigrasp.policy.recording.take import RecordingError, Take

RECORD = "recordings.json"
"""In the data set: which take became which episode, and what it was like."""
KILLED = (LEFTOVERS, f"*/*/episodes/{LEFTOVERS}")


@dataclass
class Outcome:
    """What came of a run.

    Attributes:
        made: takes that were converted. kept: those that had been before.
        faults: sentences, one for every take that could not be.
        still: takes whose gripper never changes and that nobody marked.
    """

    made: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    still: list[str] = field(default_factory=list)


def convert(take: Take, root: str | Path, number: int, *, all_frames: bool = False) -> Episode:
    """Write a take as an episode in RLBench's layout, whole or not at all.

    Args:
        take: with images that can be read.
        root: folder of tasks.
        number: of the episode.
        all_frames: whether frames are kept that training does not look at.

    Raises:
        RecordingError: see `Take.keyframes` and `Take.frame`.
    """
    marked = take.keyframes()
    kept = list(range(len(take.moments))) if all_frames else [0, *marked]
    return write_episode(
        root,
        take.task,
        number,
        take.frames(kept),
        variation=take.variation,
        descriptions=take.sentences,
        keyframes=[kept.index(frame) for frame in marked],
    )


def convert_all(
    takes: Iterable[Take | RecordingError],
    out: str | Path,
    *,
    all_frames: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Convert the takes that are new, or that were marked, calibrated or set up anew.

    A kill at any moment loses the episode that is being written; the same call goes on. A take
    keeps the number of its episode, whatever comes before it later.

    Args:
        takes: of the recordings. One that is a `RecordingError` could not be read.
        out: folder of the data set.
        all_frames: see `convert`.
        tell: is given a line for every take.

    Raises:
        ValueError: the folder is another data set, or another run works on it.
        OSError: the disk is full or closed.
    """
    out, outcome = Path(out), Outcome()
    with hold_folder(out, "choose another --out", leftovers=KILLED):
        record = _read_record(out)
        for take in takes:
            if isinstance(take, RecordingError):
                outcome.faults.append(str(take))
                continue
            _convert_one(take, out, record, outcome, all_frames, tell)
    return outcome


def _convert_one(
    take: Take,
    out: Path,
    record: dict[str, Any],
    outcome: Outcome,
    all_frames: bool,
    tell: Callable[[str], None],
) -> None:
    own = record.setdefault(take.task, {})
    number = own[take.name]["episode"] if take.name in own else _next(own)
    digest = take.digest(all_frames=all_frames)
    place = out / take.task / ALL_VARIATIONS / "episodes" / f"episode{number}" / LOW_DIM
    if place.exists() and own.get(take.name, {}).get("digest") == digest:
        outcome.kept.append(str(take))
        return
    try:
        episode = convert(take, out, number, all_frames=all_frames)
    except RecordingError as error:
        outcome.faults.append(str(error))
        return
    own[take.name] = {"episode": number, "digest": digest}
    write_json(out / RECORD, record)
    outcome.made.append(str(take))
    marked = take.keyframes()
    if take.marks is None and len({state.gripper_open for state in episode.demo}) == 1:
        outcome.still.append(str(take))
    tell(f"{take}: {len(take.moments)} frames, keyframes {marked}, episode {episode.number}")


def _next(own: dict[str, Any]) -> int:
    return 1 + max((entry["episode"] for entry in own.values()), default=-1)


def _read_record(out: Path) -> dict[str, Any]:
    path = out / RECORD
    if not path.exists():
        if any(out.glob(f"*/*/episodes/*/{LOW_DIM}")):
            raise ValueError(f"{out} holds episodes of another origin; choose another --out")
        write_json(path, {})
    record = read_json(path)
    if not isinstance(record, dict):
        raise ValueError(f"{path} is no record of recordings; choose another --out")
    return record

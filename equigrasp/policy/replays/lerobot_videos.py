"""Pictures of LeRobot's data sets that lie in videos: v3.0, many episodes a file, and v2.x, one.

`meta/info.json` tells in `video_path` where the files are; in v3.0 `meta/episodes/*/*.parquet` tell
which of them holds an episode, and from which second on.

Colours are read from whatever PyAV decodes (LeRobot writes AV1). Depth is read from 16-bit grey of
a codec that loses nothing, such as FFV1: any other would blur its edges into points in the air.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from numpy.typing import NDArray

from equigrasp.data.files import read_json
from equigrasp.optional import require
from equigrasp.policy.replays.lerobot_tables import EPISODE, INFO, arrow
from equigrasp.policy.replays.replay import ReplayError

CHUNK = 1000
"""Episodes of a folder, where a data set of v2.x does not tell."""
TABLE = ("chunk_index", "file_index")
"""Parts of a path that only the table of episodes tells."""
GREY = "gray16"


class Clip(NamedTuple):
    """Where the pictures of an episode are.

    Attributes:
        path: of the video.
        start: second of it at which the episode begins.
        tolerance: seconds by which a picture may be off: half of the time between two.
    """

    path: Path
    start: float
    tolerance: float


class Videos:
    """A column of a data set whose pictures are videos.

    Args:
        root: of the data set.
        name: of the column.

    Raises:
        FileNotFoundError: there is no `meta/info.json`.
        ImportError: PyAV is missing; the message names the extra.
        ReplayError: it does not tell where videos are.
    """

    def __init__(self, root: Path, name: str) -> None:
        decoder()
        self.root, self.name = root, name
        told = read_json(root / INFO)
        self.template, rate = told.get("video_path"), told.get("fps")
        self.chunk = told.get("chunks_size") or CHUNK
        if not isinstance(self.template, str) or not isinstance(rate, int | float) or rate <= 0:
            raise ReplayError(
                f"{root / INFO} tells video_path {self.template!r} and fps {rate!r}; it has to "
                f"tell both, {name} being a video"
            )
        self.tolerance = 0.5 / rate

    def clip(self, episode: int) -> Clip:
        """Where the pictures of an episode are.

        Raises:
            ReplayError: that is not told, or is outside of the data set.
        """
        values = {"video_key": self.name, "episode_index": episode}
        rows = self._rows if any(f"{{{part}" in self.template for part in TABLE) else None
        start = 0.0
        try:
            values["episode_chunk"] = episode // int(self.chunk)
            if rows is not None:
                row = rows[episode]
                values |= {part: row[f"videos/{self.name}/{part}"] for part in TABLE}
                start = float(row[f"videos/{self.name}/from_timestamp"])
            path = PurePosixPath(string.Formatter().vformat(self.template, (), values))
        except (KeyError, IndexError, AttributeError, TypeError, ValueError) as error:
            raise ReplayError(
                f"{self.root} does not tell where {self.name} of episode {episode} is: {error!r}"
            ) from error
        if path.is_absolute() or ".." in path.parts:
            raise ReplayError(f"{path}, a video of {self.root}, is outside of it")
        return Clip(self.root / path, start, self.tolerance)

    @cached_property
    def _rows(self) -> dict[int, dict[str, Any]]:
        """Where episodes are, by their numbers."""
        pa, pq = arrow()
        columns = [f"videos/{self.name}/{part}" for part in (*TABLE, "from_timestamp")]
        found = {}
        for path in sorted((self.root / "meta" / "episodes").glob("*/*.parquet")):
            try:
                rows = pq.read_table(path, columns=[EPISODE, *columns]).to_pylist()
            except (pa.ArrowException, OSError, KeyError) as error:
                raise ReplayError(f"{path} is torn or foreign: {error}") from error
            found.update({row[EPISODE]: row for row in rows})
        return found


def decoder() -> Any:
    """The module `av`."""
    return require("av", "a video of a LeRobot data set")


def read_clip(clip: Clip, seconds: Sequence[float] | NDArray) -> Iterator[NDArray]:
    """Pictures of an episode, one after the other.

    Args:
        clip: where they are.
        seconds: since the beginning of the episode, rising.

    Yields:
        (H, W, 3) uint8 colours, or (H, W) uint16 of grey in 16 bits.

    Raises:
        ReplayError: the video is missing or torn, has no picture at one of the times, or is grey
            in 16 bits of a codec with losses.
    """
    av = decoder()
    wanted = [clip.start + float(second) for second in seconds]
    try:
        with av.open(str(clip.path)) as container:
            stream = container.streams.video[0]
            _check_lossless(clip.path, stream.codec_context)
            container.seek(int(wanted[0] / stream.time_base), stream=stream, backward=True)
            for frame in _nearest(clip, wanted, container.decode(stream)):
                grey = frame.format.name.startswith(GREY)
                yield frame.to_ndarray(format=f"{GREY}le" if grey else "rgb24")
    except (av.FFmpegError, OSError, IndexError) as error:
        raise ReplayError(f"{clip.path} is missing, torn or no video: {error}") from error


def is_depth(shown: dict[str, Any]) -> bool:
    """Whether a feature says of its video that it is depth."""
    told = shown.get("info") or shown.get("video_info") or {}
    return bool(told.get("video.is_depth_map") or told.get("is_depth_map"))


def _check_lossless(path: Path, context: Any) -> None:
    codec = context.codec
    if (context.pix_fmt or "").startswith(GREY) and not (codec.lossless and not codec.lossy):
        raise ReplayError(
            f"{path} keeps grey in 16 bits by {codec.name}, which may lose some of it and blur "
            "depth; write it by FFV1, or as pictures (use_videos=False)"
        )


def _nearest(clip: Clip, wanted: list[float], frames: Iterator[Any]) -> Iterator[Any]:
    """The frame nearest to each of some times."""
    before = now = next(frames, None)
    for second in wanted:
        while now is not None and now.time < second:
            before, now = now, next(frames, None)
        near = [frame for frame in (before, now) if frame is not None]
        best = min(near, key=lambda frame: abs(frame.time - second), default=None)
        if best is None or abs(best.time - second) > clip.tolerance:
            there = "there is none" if best is None else f"the nearest is at {best.time:.4f} s"
            raise ReplayError(
                f"{clip.path} has no picture at {second:.4f} s ({there}); it is not the video of "
                "these timestamps"
            )
        yield best

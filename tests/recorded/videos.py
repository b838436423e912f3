"""LeRobot data sets whose pictures lie in tables, made into ones whose pictures lie in videos."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image

RATE = 10
LOSSLESS = {"codec": "ffv1", "pix_fmt": "bgr0"}
GREY = {"codec": "ffv1", "pix_fmt": "gray16le"}
V2 = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
V3 = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"


def write_video(
    path: Path,
    images: list[np.ndarray],
    codec: str,
    pix_fmt: str,
    options: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """A video of `RATE` pictures a second; of Matroska inside, which holds what MP4 does not."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    kind = "matroska" if codec == "ffv1" else "mp4"
    with av.open(str(path), "w", format=kind) as container:
        stream = container.add_stream(codec, rate=RATE, options=dict(options))
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt, stream.time_base = pix_fmt, Fraction(1, RATE)
        for number, image in enumerate(images):
            grey = image.ndim == 2
            frame = av.VideoFrame.from_ndarray(image, format="gray16le" if grey else "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def into_videos(root: Path, columns: Mapping[str, Mapping[str, Any]], version: str) -> None:
    """Take pictures out of the tables of a data set.

    Args:
        root: of the data set.
        columns: how each is encoded, see `write_video`.
        version: v3.0: all episodes in one file, the last one first; or v2.1: an episode a file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows, paths = [], sorted((root / "data").glob("*/*.parquet"))
    for path in paths:
        own = pq.read_table(path).to_pylist()
        rows += own
        kept = [{k: v for k, v in row.items() if k not in columns} for row in own]
        for row in kept:
            row["timestamp"] = np.float32(row["frame_index"] / RATE).item()
        pq.write_table(pa.Table.from_pylist(kept), path)
    rows.sort(key=lambda row: (-row["episode_index"], row["frame_index"]))
    told = json.loads((root / "meta" / "info.json").read_text())
    told |= {"fps": RATE, "video_path": V3 if version == "v3.0" else V2, "chunks_size": 1000}
    places: dict[int, dict[str, Any]] = {row["episode_index"]: {} for row in rows}
    for name, encoding in columns.items():
        told["features"][name] |= {"dtype": "video"}
        told["features"][name]["info"] = {"video.is_depth_map": name.endswith("depth")}
        pictures = [_array(row[name]) for row in rows]
        if version == "v3.0":
            write_video(root / V3.format(video_key=name, **FIRST), pictures, **encoding)
        for number, place in places.items():
            own = [i for i, row in enumerate(rows) if row["episode_index"] == number]
            if version != "v3.0":
                key = {"video_key": name, "episode_chunk": 0, "episode_index": number}
                write_video(root / V2.format(**key), [pictures[i] for i in own], **encoding)
            place |= {f"videos/{name}/{part}": value for part, value in FIRST.items()}
            place[f"videos/{name}/from_timestamp"] = own[0] / RATE
    (root / "meta" / "info.json").write_text(json.dumps(told))
    table = root / "meta" / "episodes" / "chunk-000" / "file-000.parquet"
    if version == "v3.0":
        table.parent.mkdir(parents=True, exist_ok=True)
        listed = [{"episode_index": number, **place} for number, place in places.items()]
        pq.write_table(pa.Table.from_pylist(listed), table)


FIRST = {"chunk_index": 0, "file_index": 0}


def _array(cell: Any) -> np.ndarray:
    with Image.open(io.BytesIO(cell["bytes"])) as image:
        found = np.asarray(image)
    return found if found.ndim == 3 else found.astype(np.uint16)

"""Films of episodes: an image for every keyframe."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from equigrasp.data.files import write_atomically


def write_film(path: Path, images: Sequence[Any]) -> None:
    """Write images (H, W, 3) uint8 as a GIF, two a second."""
    from PIL import Image

    frames = [Image.fromarray(image) for image in images]
    target = io.BytesIO()
    frames[0].save(target, "GIF", save_all=True, append_images=frames[1:], duration=500, loop=0)
    write_atomically(path, target.getvalue())


def film_name(row: Mapping[str, Any]) -> str:
    """File name that tells an episode, given by its row, and how it ended."""
    end = "success" if row["success"] else row["failure"]
    return f"{row['task']}_{row['seed']}_{row['index']}_{end}.gif"

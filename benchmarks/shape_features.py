"""Whether what a point knows of its surroundings tells which shape it is at.

    python benchmarks/shape_features.py [--quick] [--record]

In scenes of `sort_shape`, never shown to a policy, the points at the middle of every shape are
asked: of things on the table, and of the outlines that things belong to. A linear classifier
(Fisher's discriminant) learns the five shapes from nine tenths of the scenes and names those of the
others, from what points know without colour (`local`), of the patch of their own colour (`alike`),
and from both. Chance is 20 %.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from shared.results import command_line, finish

from equigrasp.data.files import write_atomically
from sim.workers.jobs import Failed, Job, Ok
from sim.workers.run import run_jobs

SIZES, VOXELS = (128, 256), (0.01, 0.0075, 0.005)
"""Of images, pixels per side, and of the cubes of clouds, m."""
KEPT = 1536
"""Points of a cloud, as the shipped policy is trained."""
FEATURES = {"local": ("local",), "alike": ("alike",), "both": ("local", "alike")}
FOLDS = 10


def main() -> None:
    """Measure, print, and write what is asked for."""
    parser = command_line(__doc__, "shape_features")
    parser.add_argument("--scenes", type=int, help="default 200, quick 20")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    arguments = parser.parse_args()
    scenes = arguments.scenes or (20 if arguments.quick else 200)
    found = shown_shapes(scenes, arguments.workers)
    numbers = shares(found, scenes)
    text = table(numbers, scenes)
    print(text + "\n")
    if arguments.record:
        write_atomically(arguments.result.with_suffix(".md"), text + "\n")
    named = {"_".join(map(str, key)): share for key, share in numbers.items()}
    finish(arguments, named, {"scenes": scenes, "points_kept": KEPT})


def shown_shapes(scenes: int, workers: int) -> dict[tuple, list[tuple[int, dict]]]:
    """Scene and row of every shape, see `shared.shown_shapes`, by (where, size, voxel in mm).

    Raises:
        SystemExit: a scene cannot be shown.
    """
    found: dict[tuple, list[tuple[int, dict]]] = {}

    def keep(result: Ok | Failed) -> None:
        if isinstance(result, Failed):
            raise SystemExit(f"{result.key}: {result.message}")
        for row in result.value:
            key = row["where"], row["size"], f"{1000 * row['voxel']:g}"
            found.setdefault(key, []).append((result.key[0], row))

    common = {"sizes": list(SIZES), "voxels": list(VOXELS), "kept": KEPT}
    jobs = [Job((index,), {"index": index, **common}) for index in range(scenes)]
    call = "shared.shown_shapes:shapes_of_scene"
    run_jobs(call, jobs, workers=workers, timeout_s=600, on_result=keep)
    return found


def shares(found: dict[tuple, list[tuple[int, dict]]], scenes: int) -> dict[tuple, float]:
    """Share of the shapes that are named rightly, by (where, size, voxel in mm, features)."""
    numbers = {}
    for key, rows in found.items():
        rows = sorted(rows, key=lambda row: row[0])
        fold = np.array([scene * FOLDS // scenes for scene, _ in rows])
        names = np.array([row["name"] for _, row in rows])
        for features, parts in FEATURES.items():
            x = np.array([np.concatenate([row[part] for part in parts]) for _, row in rows])
            right = [
                named(x[fold != k], names[fold != k], x[fold == k]) == names[fold == k]
                for k in range(FOLDS)
            ]
            numbers[(*key, features)] = float(np.concatenate(right).mean())
    return numbers


def named(x: NDArray, names: NDArray, asked: NDArray) -> NDArray:
    """Names (n,) that Fisher's linear discriminant gives to rows.

    Args:
        x, names: features (m, F) and names (m,) that it learns from.
        asked: features (n, F).
    """
    kinds = np.unique(names)
    middles = np.array([x[names == kind].mean(0) for kind in kinds])
    apart = x - middles[np.searchsorted(kinds, names)]
    scale = apart.std(0) + 1e-9
    spread = np.cov((apart / scale).T) + 1e-3 * np.eye(x.shape[1])
    towards = np.linalg.solve(spread, (middles / scale).T)
    score = (asked / scale) @ towards - 0.5 * ((middles / scale).T * towards).sum(0)
    return kinds[score.argmax(1)]


def table(numbers: dict[tuple, float], scenes: int) -> str:
    """Shares in Markdown: a line for each size and voxel."""
    wheres = ("thing", "outline")
    columns = [(where, features) for where in wheres for features in FEATURES]
    heads = ["image", "cubes, mm", *(f"{where}, {features}" for where, features in columns)]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for size in SIZES:
        for voxel in VOXELS:
            mm = f"{1000 * voxel:g}"
            cells = [f"{100 * numbers[(w, size, mm, f)]:.1f}" for w, f in columns]
            lines.append("| " + " | ".join([str(size), mm, *cells]) + " |")
    said = (
        f"Percent of {3 * scenes} shapes in {scenes} scenes named rightly (chance 20); "
        f"{KEPT} points of a cloud are kept, the hand's are dropped."
    )
    return "\n".join([*lines, "", said])


if __name__ == "__main__":
    main()

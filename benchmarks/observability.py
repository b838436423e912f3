"""What a perfect reader of an observation could know: one scene with the answer exchanged.

    python benchmarks/observability.py [--quick] [--record]

Four questions of the task suite that its policy answers badly. In every scene the answer is
exchanged and nothing else (two shapes change places, two outlines, the colours of two buttons, or
whether a button was pressed before), and the scene is seen before and after by all cameras. What
does not differ, nobody can learn. Printed by size of the images and by the cubes of the cloud, as
mean and least over the scenes: pixels that differ, points of the cloud that do, and how many of
these are left once the cloud is thinned.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from shared.results import command_line, finish

from equigrasp.data.files import write_atomically
from sim.workers.jobs import Failed, Job, Ok
from sim.workers.run import run_jobs

QUESTIONS = {
    "which_shape": "sort_shape: which thing is the shape that is named",
    "which_hole": "sort_shape: which outline is that of the shape in the hand",
    "which_button": "press_buttons: which colour has the button under the fingers",
    "which_pressed": "press_buttons: was the button below the hand pressed before",
}
"""What is asked, by the names in `shared/exchanged.py`."""
SIZES, VOXELS = (128, 192, 256), (0.01, 0.005)
"""Of images, pixels per side, and of the cubes of clouds, m."""
KEPT = 1024
"""Points of a cloud after thinning, as the shipped policy was trained."""
READING = (
    "Shapes keep their turns when they change places, so a part of what differs is turn. Where "
    "nothing differs, the answer is not in the observation: something has to remember it."
)
"""What the table does not say by itself."""


def main() -> None:
    """Measure, print, and write what is asked for."""
    parser = command_line(__doc__, "observability")
    parser.add_argument("--scenes", type=int, help="of every question (default 10, quick 1)")
    arguments = parser.parse_args()
    scenes = arguments.scenes or (1 if arguments.quick else 10)
    sizes = SIZES[:1] if arguments.quick else SIZES
    found = measured(scenes, sizes)
    text = table(found, sizes)
    print(text + "\n")
    if arguments.record:
        write_atomically(arguments.result.with_suffix(".md"), text + "\n")
    numbers = {
        f"{question}_{name}": float(np.mean([row[name] for row in rows]))
        for question, rows in found.items()
        for name in rows[0]
    }
    finish(arguments, numbers, {"scenes": scenes, "points_kept": KEPT})


def measured(scenes: int, sizes: Sequence[int]) -> dict[str, list[dict[str, float]]]:
    """What differs in every scene, see `shared.exchanged.compare`, by question.

    Raises:
        SystemExit: a scene cannot be played.
    """
    found: dict[str, list[dict[str, float]]] = {question: [] for question in QUESTIONS}

    def keep(result: Ok | Failed) -> None:
        if isinstance(result, Failed):
            raise SystemExit(f"{result.key}: {result.message}")
        found[result.key[0]].append(result.value)

    common = {"sizes": list(sizes), "voxels": list(VOXELS), "kept": KEPT}
    jobs = [
        Job((question, index), {"question": question, "index": index, **common})
        for index in range(scenes)
        for question in QUESTIONS
    ]
    run_jobs("shared.exchanged:compare", jobs, workers=1, timeout_s=600, on_result=keep)
    return found


def table(found: dict[str, list[dict[str, float]]], sizes: Sequence[int]) -> str:
    """Mean and least of what differs, in Markdown: a line for each question and size."""
    cubes = [f"{1000 * voxel:g}" for voxel in VOXELS]
    heads = ["question", "image", "pixels that differ"]
    heads += [f"points of {mm} mm cubes, of these kept" for mm in cubes]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for question, rows in found.items():
        for size in sizes:
            cells = [QUESTIONS[question], str(size), _mean_and_least(rows, f"pixels_{size}")]
            cells += [
                f"{_mean_and_least(rows, f'points_{size}_{mm}')}, "
                f"{_mean_and_least(rows, f'kept_{size}_{mm}')}"
                for mm in cubes
            ]
            lines.append("| " + " | ".join(cells) + " |")
    scenes = len(next(iter(found.values())))
    said = f"Mean (least) over {scenes} scenes; {KEPT} points of a cloud are kept. {READING}"
    return "\n".join([*lines, "", said])


def _mean_and_least(rows: list[dict[str, float]], name: str) -> str:
    values = [row[name] for row in rows]
    return f"{np.mean(values):.0f} ({min(values):.0f})"


if __name__ == "__main__":
    main()

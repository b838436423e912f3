"""Where a policy errs although every keyframe before was right: by task and keyframe.

    python benchmarks/keyframe_errors.py --policy runs/NAME --data data/demos --tasks sort_shape
    python benchmarks/keyframe_errors.py --quick             # an untrained policy, made-up episodes

Every keyframe of held-out demonstrations is predicted from what was seen at the one before it in
the demonstration (teacher-forced), so an error is not the follow-up of another one. With --side
train the same on episodes that training saw: what is wrong there too was not even learnt by heart.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from shared.results import command_line, finish
from torch import Tensor

from equigrasp.policy.episodes.synthetic import write_synthetic_demonstrations
from equigrasp.policy.keyframes.batches import KeyframeBatches
from equigrasp.policy.keyframes.clouds import CloudSettings
from equigrasp.policy.keyframes.dataset import KeyframeDataset
from equigrasp.policy.models.base import KeyframePolicy
from equigrasp.policy.models.mini_diffuser import MiniDiffuser
from equigrasp.policy.nn.vocabulary import Vocabulary
from equigrasp.policy.recipe import KeyframeRecipe
from equigrasp.policy.saved import load_policy

FAR = 0.03
"""A position counts as another goal's from here on, m."""


def main() -> None:
    """Predict, print, and write JSON if asked."""
    parser = command_line(__doc__, "keyframe_errors")
    parser.add_argument("--policy", default="mini_diffuser_tasks", help="shipped name or run")
    parser.add_argument("--data", type=Path, default=Path("data/demos"), help="folder of tasks")
    parser.add_argument("--tasks", nargs="+", help="default: those that the policy learned")
    parser.add_argument("--side", choices=("val", "train"), default="val", help="of the split")
    parser.add_argument("--episodes", type=int, help="of every task at most")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.quick:
        with tempfile.TemporaryDirectory() as folder:
            write_synthetic_demonstrations(folder, 3, cameras=["front"])
            data = dataset(untrained(), Path(folder), ["open", "close"], arguments.side, None)
            rows = keyframe_rows(*errors(untrained(), data))
    else:
        policy = load_policy(arguments.policy)
        tasks = arguments.tasks or policy.card["tasks"]
        data = dataset(policy, arguments.data, tasks, arguments.side, arguments.episodes)
        rows = keyframe_rows(*errors(policy, data))
    print(table(rows) + "\n")
    numbers = {
        f"{task}_{step}_{name}": value
        for (task, step), row in rows.items()
        for name, value in row.items()
    }
    finish(arguments, numbers, {"policy": Path(arguments.policy).name, "side": arguments.side})


def untrained() -> KeyframePolicy:
    """A small policy that knows nothing."""
    torch.manual_seed(0)
    shape = {"widths": (24, 48), "channels": 24, "head_channels": 12, "patch": 16}
    policy = MiniDiffuser(Vocabulary(["open", "close", "it"]), **shape)
    policy.card = {"cameras": ["front"], "cloud": asdict(CloudSettings(points=64))}
    return policy


def dataset(
    policy: KeyframePolicy, root: Path, tasks: Sequence[str], side: str, episodes: int | None
) -> KeyframeDataset:
    """Episodes on a side of the split, as the policy was trained to see them.

    Args:
        policy: with a card.
        root: folder of tasks.
        tasks: their names.
        side: "val" or "train".
        episodes: of every task at most; None takes all.
    """
    return KeyframeDataset(
        root,
        tasks,
        cloud=CloudSettings.of(policy.card["cloud"]),
        cameras=policy.card["cameras"],
        split=side,
        episodes=episodes,
    )


def errors(policy: KeyframePolicy, data: KeyframeDataset) -> tuple[dict[str, Tensor], list[str]]:
    """Errors of every keyframe, see `KeyframeRecipe.errors`, and names of the tasks."""
    sentences = data.sentences()
    batches = KeyframeBatches(data, sentences, past=policy.options.get("past", 0))
    recipe = KeyframeRecipe(sentences, samples=1)
    return recipe.errors(policy, batches, workers=0, device="cpu"), batches.tasks


def keyframe_rows(
    found: Mapping[str, Tensor], tasks: Sequence[str]
) -> dict[tuple[str, int], dict[str, float]]:
    """Errors by task and number of the keyframe, counted from 1.

    Returns:
        of each: keyframes, far (% beyond `FAR`), median_mm, degrees (mean) and gripper (% wrong).
    """
    rows = {}
    for number, task in enumerate(tasks):
        for step in found["step"][found["task"] == number].unique().tolist():
            own = (found["task"] == number) & (found["step"] == step)
            off = found["position"][own]
            rows[task, step + 1] = {
                "keyframes": float(own.sum()),
                "far": 100 * float((off > FAR).float().mean()),
                "median_mm": 1000 * float(off.median()),
                "degrees": float(found["angle"][own].mean()),
                "gripper": 100 * float((~found["gripper"][own]).float().mean()),
            }
    return rows


def table(rows: Mapping[tuple[str, int], Mapping[str, float]]) -> str:
    """Rows in Markdown."""
    lines = [
        f"| task | keyframe | of them | more than {100 * FAR:.0f} cm off % | median mm | degrees "
        "| gripper wrong % |",
        "|---|---|---|---|---|---|---|",
    ]
    for (task, step), row in rows.items():
        lines.append(
            f"| {task} | {step} | {row['keyframes']:.0f} | {row['far']:.0f} "
            f"| {row['median_mm']:.1f} | {row['degrees']:.1f} | {row['gripper']:.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()

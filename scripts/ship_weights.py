"""Take a trained run into the package: `equigrasp/weights_data/NAME.safetensors` and its card.

    python scripts/ship_weights.py runs/equiigd_pile_seed0 equiigd_pile \\
        --summary "EquiIGD for pile scenes; 40 voxels, one depth image, Panda hand (0.08 m)." \\
        --objects "published VGN/GIGA training objects, less a tenth for validation; set 'limit'"
    python scripts/ship_weights.py runs/mini_diffuser_tasks mini_diffuser_tasks \\
        --summary "Mini-Diffuser for ten tasks." --demos "data_gen/demos.py --episodes 100, seed 0"

The card keeps what training wrote, its digests, and the calibration; name, licence, summary and
objects come in front, and what the model predicts on the fixed scene of `equigrasp.doctor` at the
end. A policy (`--demos`) goes to `equigrasp/weights_data/policies`, in half precision.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

from equigrasp.data.files import atomic_path, write_json
from equigrasp.policy.saved import SHIPPED_POLICIES, load_policy
from equigrasp.seal import sealed
from equigrasp.self_test import record
from equigrasp.weights import SHIPPED, read_weights, save_model, weights_label

LICENCE = "Apache-2.0"


def ship(run: str, name: str, summary: str, objects: str, folder: Path = SHIPPED) -> Path:
    """Copy a run's weights under a name and complete their card; returns the card's path.

    Args:
        run: folder of a run, or saved weights.
        name: of the shipped weights.
        summary, objects: sentences of the card.
        folder: where shipped weights lie.

    Raises:
        FileNotFoundError: there are no weights.
        ValueError: they are damaged, or not those of their card.
    """
    weights, card, tensors = read_weights(run)
    card = sealed(card, tensors)  # runs of early versions have no digests
    card = started(card)
    head = {"name": name, "licence": LICENCE, "summary": summary, "objects": objects}
    with atomic_path(folder / f"{name}.safetensors") as unfinished:
        shutil.copyfile(weights, unfinished)
    rest = {key: value for key, value in card.items() if key not in (*head, "self_test")}
    write_json(folder / f"{name}.json", {**head, **rest}, indent=2)
    return record(folder / f"{name}.safetensors")


def ship_policy(
    run: str, name: str, summary: str, demos: str, folder: Path = SHIPPED_POLICIES
) -> Path:
    """Copy a run's policy under a name, rounded to float16; returns the path of its card.

    Args:
        run: folder of a run, or a saved policy.
        name: of the shipped policy.
        summary: sentence of the card.
        demos: how the demonstrations were made.
        folder: where shipped policies lie.

    Raises:
        FileNotFoundError: there is no policy.
        ValueError: it is damaged, or not that of its card.
    """
    policy = load_policy(run)
    told = f"{summary} Stored in float16."
    head = {"name": name, "licence": LICENCE, "summary": told, "data": demos}
    rest = {key: value for key, value in started(policy.card).items() if key not in head}
    target = save_model(policy, folder / name, {**head, **rest}, half=True)
    return target.with_suffix(".json")


def started(card: dict[str, Any]) -> dict[str, Any]:
    """A card whose `init` is the name of a run, wherever that lies."""
    if not card.get("init"):
        return card
    return {**card, "init": weights_label(card["init"])}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", help="folder of a run, or saved weights")
    parser.add_argument("name", help="of the shipped weights")
    parser.add_argument("--summary", required=True)
    learned_from = parser.add_mutually_exclusive_group(required=True)
    learned_from.add_argument("--objects", help="in the scenes of a grasp model")
    learned_from.add_argument("--demos", help="of a policy")
    options = parser.parse_args()
    make, of = (ship_policy, options.demos) if options.demos else (ship, options.objects)
    print(make(options.run, options.name, options.summary, of).name)


if __name__ == "__main__":
    main()

"""Take a trained run into the package: `equigrasp/weights_data/NAME.safetensors` and its card.

    python scripts/ship_weights.py runs/equiigd_pile_seed0 equiigd_pile \\
        --summary "EquiIGD for pile scenes; 40 voxels, one depth image, Panda hand (0.08 m)." \\
        --objects "published VGN/GIGA training objects, less a tenth for validation; set 'limit'"

The card keeps what training wrote, its digests, and the calibration; name, licence, summary and
objects come in front, and what the model predicts on the fixed scene of `equigrasp.doctor` at the
end.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from equigrasp.data.files import atomic_path, write_json
from equigrasp.seal import sealed
from equigrasp.self_test import record
from equigrasp.weights import SHIPPED, read_weights

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
    if card.get("init"):  # a run is known by its folder, not by where that lies
        start = Path(card["init"])
        card["init"] = (start.parent if start.stem == "model" else start).name
    head = {"name": name, "licence": LICENCE, "summary": summary, "objects": objects}
    with atomic_path(folder / f"{name}.safetensors") as unfinished:
        shutil.copyfile(weights, unfinished)
    rest = {key: value for key, value in card.items() if key not in (*head, "self_test")}
    write_json(folder / f"{name}.json", {**head, **rest}, indent=2)
    return record(folder / f"{name}.safetensors")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", help="folder of a run, or saved weights")
    parser.add_argument("name", help="of the shipped weights")
    parser.add_argument("--summary", required=True)
    parser.add_argument("--objects", required=True)
    options = parser.parse_args()
    print(ship(options.run, options.name, options.summary, options.objects).name)


if __name__ == "__main__":
    main()

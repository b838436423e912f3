"""Give saved weights of early versions the digests that loading compares.

    python scripts/seal_weights.py runs/equiigd_pile_seed0 giga_pile policies/mini_diffuser_tasks

Each is a path, or a name below `equigrasp/weights_data`. What the digests are taken of is checked
as far as it can be without one: finite tensors that fit the model in the card. Nothing else in the
card changes. Weights that have digests are compared with them, and left alone.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

from equigrasp import load_model
from equigrasp.data.files import write_json
from equigrasp.policy.models import policy_classes
from equigrasp.policy.saved import load_policy
from equigrasp.seal import KEY, sealed
from equigrasp.weights import find_weights, read_weights


def seal(name_or_path: str) -> bool:
    """Add the digests to a card; whether it had none.

    Args:
        name_or_path: see `equigrasp.load_model`; policies too.

    Raises:
        FileNotFoundError: there are no weights.
        ValueError: they are damaged, or differ from the digests they have.
    """
    target, note = find_weights(name_or_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is no digest yet
        saved = read_weights(target)
        load = load_policy if saved.card["config"]["name"] in policy_classes() else load_model
        load(target)
    if KEY in saved.card:
        return False
    write_json(note, sealed(saved.card, saved.tensors), indent=2)
    return True


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", nargs="+", help="paths, or names below equigrasp/weights_data")
    for each in parser.parse_args().weights:
        print(f"{Path(each)}: {'sealed' if seal(each) else 'has its digests'}")


if __name__ == "__main__":
    main()

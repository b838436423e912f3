"""Complete cards of early versions: which objects weights were trained on, from their manifests.

    python scripts/name_objects.py equiigd_pile data/pile_limit data/pile_vgn data/pile_default

The weights are a path, or a name below `equigrasp/weights_data`; the folders are those that their
card lists, known by the digests of their manifests. `trained_on` is what training writes today.
Nothing else in the card changes, and its digests stay valid.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from equigrasp.data.files import write_json
from equigrasp.data.manifest import provenance
from equigrasp.data.trained_on import trained_on
from equigrasp.weights import read_weights

KEY = "trained_on"


def name_objects(name_or_path: str, folders: list[Path]) -> int:
    """Write `trained_on` into a card; returns the number of objects.

    Args:
        name_or_path: see `equigrasp.load_model`.
        folders: data sets, at least those that the card lists; those of the weights that training
            began from too.

    Raises:
        FileNotFoundError: there are no weights.
        ValueError: the weights are damaged, or a data set of the card is not among the folders.
    """
    target, card, _ = read_weights(name_or_path)
    given = {provenance(folder)["manifest_sha256"] for folder in folders}
    missing = [d["name"] for d in card.get("data", []) if d["manifest_sha256"] not in given]
    if missing:
        raise ValueError(
            f"the card of {target.stem} was trained on {', '.join(missing)}, and no manifest given "
            "has the digest that it records; give those folders as they were"
        )
    told = {KEY: trained_on(folders)}
    rest = {key: value for key, value in card.items() if key != KEY}
    at = list(rest).index("data") + 1
    ordered = [*list(rest.items())[:at], *told.items(), *list(rest.items())[at:]]
    write_json(target.with_suffix(".json"), dict(ordered), indent=2)
    return len(told[KEY]["object_ids"])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", help="path, or name below equigrasp/weights_data")
    parser.add_argument("folders", nargs="+", type=Path, help="of the data sets")
    options = parser.parse_args()
    print(f"{options.weights}: {name_objects(options.weights, options.folders)} objects")


if __name__ == "__main__":
    main()

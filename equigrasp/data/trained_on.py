"""Which objects weights have met, so that a card tells what can have leaked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from equigrasp.data.manifest import MANIFEST_NAME, read_manifest


def trained_on(
    directories: Iterable[str | Path], before: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Which objects the scenes of data sets may hold, so that a card tells what can have leaked.

    Args:
        directories: folders of data sets.
        before: the same of the weights that training began from, empty if their card does not
            tell; None where it began from scratch.

    Returns:
        `splits` of the object sets that were drawn from, `object_ids` of all, both sorted, and
        `untold`, names of folders whose objects no manifest tells ("init": of earlier weights).

    Raises:
        ManifestError: a manifest is torn or of another format version.
    """
    splits, ids, untold = set(), set(), []
    for directory in map(Path, directories):
        if not (directory / MANIFEST_NAME).exists():
            untold.append(directory.name)
            continue
        manifest = read_manifest(directory)
        splits.add(str(manifest.settings.get("split", "unknown")))
        ids.update(manifest.object_ids)
    return objects_met(splits, ids, before, untold)


def objects_met(
    splits: Iterable[str],
    object_ids: Iterable[str],
    before: Mapping[str, Any] | None = None,
    untold: Iterable[str] = (),
) -> dict[str, Any]:
    """What `trained_on` tells, of objects that are known without a data set.

    Args:
        splits, object_ids: of the objects that were met.
        before: see `trained_on`.
        untold: names of folders whose objects are not known.
    """
    known = before or {}
    return {
        "splits": sorted({*splits, *known.get("splits", ())}),
        "object_ids": sorted({*object_ids, *known.get("object_ids", ())}),
        "untold": sorted({*untold, *known.get("untold", () if before is None else ("init",))}),
    }

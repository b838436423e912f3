"""Results of single training runs, kept when the runs themselves are gone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shared.report import write_json

Record = dict[str, Any]


class RunRecords:
    """A JSON file of results by name of run; those made from other data are passed over.

    Args:
        path: the file; made by the first `put`.
        data: folders of scenes that the runs are trained on.
    """

    def __init__(self, path: Path, data: Sequence[Path]) -> None:
        self.path = path
        self.data = [digest(folder) for folder in data]

    def get(self, name: str) -> Record | None:
        """Result of a run on these data, if there is one."""
        record = self._read().get(name)
        return record if record is not None and record["data"] == self.data else None

    def put(self, name: str, **facts: Any) -> Record:
        """Add facts to a run's record and write the file."""
        record = {**(self.get(name) or {"data": self.data}), **facts}
        write_json(self.path, dict(sorted({**self._read(), name: record}.items())))
        return record

    def _read(self) -> dict[str, Record]:
        """What is in the file now: studies of other arms may run beside this one."""
        return json.loads(self.path.read_text()) if self.path.exists() else {}


def digest(folder: Path) -> str:
    """What tells a data set from others: its manifest, or without one the names of its files."""
    manifest = folder / "manifest.json"
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.npz"))
    content = manifest.read_bytes() if manifest.exists() else "\n".join(names).encode()
    return hashlib.sha256(content).hexdigest()[:16]

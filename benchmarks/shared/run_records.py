"""Results of single training runs, kept when the runs themselves are gone."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from equigrasp.data.files import write_json

RunRecord = dict[str, Any]

CONFIGS = Path(__file__).parents[2] / "configs"


class RunRecords:
    """A JSON file of results by name of run.

    A record is passed over if its run was made from other data, or if the same command line now
    means another model, loss, data option or schedule.

    Args:
        path: the file; made by the first `put`. Threads may share the records.
        data: folders of scenes that the runs are trained on.
    """

    def __init__(self, path: Path, data: Sequence[Path]) -> None:
        self.path = path
        self.data = [digest(folder) for folder in data]
        self._lock = threading.RLock()  # also for Hydra, which has one state for all threads

    def get(self, name: str, options: Sequence[str]) -> RunRecord | None:
        """Result of a run with these training options on these data, if there is one."""
        record = self._read().get(name)
        if record is None or record["data"] != self.data:
            return None
        with self._lock:
            return record if record["configuration"] == configuration(options) else None

    def put(self, name: str, options: Sequence[str], **facts: Any) -> RunRecord:
        """Add facts to a run's record and write the file."""
        with self._lock:
            made_of = {"data": self.data, "configuration": configuration(options)}
            record = {**(self.get(name, options) or made_of), **facts}
            write_json(self.path, dict(sorted({**self._read(), name: record}.items())))
        return record

    def _read(self) -> dict[str, RunRecord]:
        """What is in the file now: studies of other arms may run beside this one."""
        return json.loads(self.path.read_text()) if self.path.exists() else {}


def configuration(options: Sequence[str]) -> str:
    """Digest of what training options mean: all but names, places, and what may change halfway."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    from equigrasp.training.settings import TrainSettings

    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        found = OmegaConf.to_container(compose("train", overrides=list(options)))
    kept = {name: found[name] for name in ("model", "loss", "init", "seed")}
    kept["data"] = {k: v for k, v in found["data"].items() if k not in ("dirs", "cache_gb")}
    kept["trainer"] = TrainSettings(**found["trainer"]).identity()
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]


def digest(folder: Path) -> str:
    """What tells a data set from others: its manifest, or without one the names of its files."""
    manifest = folder / "manifest.json"
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.npz"))
    content = manifest.read_bytes() if manifest.exists() else "\n".join(names).encode()
    return hashlib.sha256(content).hexdigest()[:16]

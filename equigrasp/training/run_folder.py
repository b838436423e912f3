"""Whether a run's folder can be written, asked before Hydra sets up its log there."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from equigrasp.data.files import disk_fault


class RunFolder(Callback):
    """Hydra callback: ends the program with one line if `run_dir` cannot be written."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Make the folder and write a block there."""
        hydra = HydraConfig.instance()
        before = hydra.cfg
        hydra.set_config(config)  # as it will be: the name of the folder asks it for the choices
        folder = Path(config.run_dir)
        hydra.cfg = before
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder, buffering=0) as probe:
                probe.write(bytes(4096))
        except OSError as error:
            sys.exit(f"error: {disk_fault(error)} ({folder})")

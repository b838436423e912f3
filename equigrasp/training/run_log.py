"""What a run writes while it goes: `metrics.jsonl`, TensorBoard events, a progress bar."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path
from types import TracebackType
from typing import Any

from torch import Tensor
from tqdm import tqdm
from typing_extensions import Self

from equigrasp.data.files import write_atomically
from equigrasp.data.folder_lock import LEFTOVERS, hold_folder

_LEFTOVERS = (LEFTOVERS, ".tmp??????")  # ... and those of safetensors


class RunLog:
    """One JSON line per record in `metrics.jsonl`, the same numbers in `tensorboard/`.

    A resumed run first drops the records after the step it resumes from, so that the file reads
    as if the run had never stopped.

    Args:
        run_dir: folder of the run; made if missing.
        step: optimiser steps already done (0 for a fresh run).
        progress: show a bar if standard error is a terminal.
        on: False makes every method do nothing (processes other than the first).

    Raises:
        FolderBusyError: another run is working in the folder.
    """

    def __init__(self, run_dir: Path, step: int, *, progress: bool = True, on: bool = True) -> None:
        self._on = on
        hidden = None if progress and on else True  # None lets tqdm look for a terminal
        self._bar = tqdm(initial=step, unit="step", disable=hidden)
        if not on:
            return
        from torch.utils.tensorboard import SummaryWriter  # slow to import

        self._held = contextlib.ExitStack()
        self._held.enter_context(
            hold_folder(run_dir, "choose another `name` or `run_dir`", leftovers=_LEFTOVERS)
        )
        path = run_dir / "metrics.jsonl"
        _keep_records_until(path, step)
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115
        self._board = SummaryWriter(str(run_dir / "tensorboard"), purge_step=step + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()
        if self._on:
            self._board.close()
            self._file.close()
            self._held.close()

    def write(self, step: int, kind: str, values: dict[str, float]) -> None:
        """Record numbers under a kind such as "train" or "validation"; NaN becomes null."""
        if not self._on:
            return
        known = {name: None if math.isnan(value) else value for name, value in values.items()}
        record: dict[str, Any] = {"step": step, "kind": kind, **known}
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()
        for name, value in known.items():
            if value is not None:
                self._board.add_scalar(f"{kind}/{name}", value, step)

    def advance(self, step: int, total: int | None, loss: Tensor) -> None:
        """Move the progress bar to a step; the loss is read only where it is shown."""
        if not self._bar.disable:
            self._bar.total = total
            self._bar.set_postfix(loss=f"{float(loss.detach()):.3f}", refresh=False)
            self._bar.update(step - self._bar.n)

    def say(self, text: str) -> None:
        """Print a line without tearing the progress bar."""
        if self._on:
            tqdm.write(text)


def read_records(path: Path, kind: str | None = None) -> list[dict[str, Any]]:
    """Records of a `metrics.jsonl`, oldest first, optionally of one kind.

    A last line torn by a kill is left out.
    """
    if not path.exists():
        return []
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if kind is None or record["kind"] == kind:
            records.append(record)
    return records


def _keep_records_until(path: Path, step: int) -> None:
    if not path.exists():
        return
    kept = [record for record in read_records(path) if record["step"] <= step]
    write_atomically(path, "".join(json.dumps(record) + "\n" for record in kept))


def training_minutes(path: Path) -> float:
    """Wall time of a run by its `metrics.jsonl`, over all the processes that took part in it."""
    return round(max(minutes_by_step(path).values(), default=0.0), 1)


def minutes_by_step(path: Path) -> dict[int, float]:
    """Wall time of a run at every logged step, over all the processes that took part in it."""
    found, before, last = {}, 0.0, 0.0
    for record in read_records(path, "train"):
        if record["minutes"] < last:  # another process went on
            before += last
        last = record["minutes"]
        found[record["step"]] = before + last
    return found

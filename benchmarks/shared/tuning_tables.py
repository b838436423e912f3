"""What studies of fine-tuning have in common: the cost of an update, and a table of seeds."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from equigrasp.data.files import write_atomically
from shared.arm_curves import markdown_table
from shared.results import finish, known


def update_cost(
    encoder: nn.Module, loss: Callable[[], Tensor], repeats: int, counted: Callable[[Any], int]
) -> tuple[float, float]:
    """Least processor seconds of a loss and its gradient, and how much was encoded for it.

    Args:
        encoder: its calls are counted.
        loss: of an update.
        repeats: of which the best counts, after one that warms up.
        counted: how many conditions a call of the encoder was about, from (arguments, result).
    """
    calls: list[int] = []
    hook = encoder.register_forward_hook(lambda module, given, out: calls.append(counted(out)))
    seconds = []
    for _ in range(repeats + 1):
        calls.clear()
        start = time.process_time()
        loss().backward()
        seconds.append(time.process_time() - start)
    hook.remove()
    return min(seconds[1:]), float(sum(calls))


def both_ways(
    encoder: nn.Module,
    ways: Mapping[str, Callable[[], Tensor]],
    repeats: int,
    counted: Callable[[Any], int],
    shares: Mapping[str, float],
) -> dict[str, float]:
    """Costs of an update as a two-level batch and as rows, and how many times fewer the first.

    Args:
        encoder, repeats, counted: see `update_cost`.
        ways: "two_level" and "rows", losses of an update.
        shares: of an update that a way's loss is about, 1 where it is not named.
    """
    found = {}
    for way, loss in ways.items():
        seconds, encoded = update_cost(encoder, loss, repeats, counted)
        share = shares.get(way, 1.0)
        found[f"{way}_seconds"], found[f"{way}_encoded"] = seconds / share, encoded / share
    found["times_fewer_seconds"] = found["rows_seconds"] / found["two_level_seconds"]
    found["times_fewer_encoded"] = found["rows_encoded"] / found["two_level_encoded"]
    return found


def finish_seeds(
    arguments: argparse.Namespace,
    found: Sequence[Mapping[str, float | None]],
    caption: str,
    facts: Mapping[str, Any],
) -> None:
    """Print a table of seeds and their mean; write it where the command line says.

    Args:
        arguments: parsed `shared.results.command_line`.
        found: numbers of each seed.
        caption: below the table.
        facts: see `shared.results.finish`.
    """
    rows = {f"seed {seed}": dict(row) for seed, row in enumerate(found)}
    rows["mean"] = {
        name: float(np.mean(values)) if (values := known(row[name] for row in found)) else None
        for name in found[0]
    }
    text = f"{markdown_table(rows)}\n\n{caption}"
    print(text)
    if arguments.record:
        write_atomically(arguments.result.with_suffix(".md"), text + "\n")
    numbers = {f"{name}_{part}": v for part, row in rows.items() for name, v in row.items()}
    finish(arguments, {name.replace(" ", ""): value for name, value in numbers.items()}, facts)

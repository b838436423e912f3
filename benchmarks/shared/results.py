"""Describing the machine, printing figures and writing them down."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch

from equigrasp.data.files import atomic_path, write_json
from equigrasp.training.settings import PRECISIONS

_T = TypeVar("_T")
RESULTS = Path(__file__).parents[1] / "results"
"""Folder of committed results."""


def command_line(description: str | None, name: str) -> argparse.ArgumentParser:
    """Command line that every benchmark has: --quick, --json, --record (results/`name`.json)."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="under 50 s on 2 cores")
    parser.add_argument("--json", type=Path, help="write the numbers here")
    parser.add_argument("--record", action="store_true", help=f"write results/{name}.json")
    parser.set_defaults(result=RESULTS / f"{name}.json")
    return parser


def add_precision(parser: argparse.ArgumentParser) -> None:
    """`--precision` of what trains."""
    where = "32-true where bfloat16 is imitated, as by x86 processors without AVX-512"
    parser.add_argument("--precision", choices=PRECISIONS, default="bf16-mixed", help=where)


def processor() -> str:
    """Model name of the CPU, as the system reports it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def load() -> float:
    """Processes that wanted a core in the last minute: what was measured shared the machine with
    them."""
    return round(os.getloadavg()[0], 1)


def machine() -> dict[str, Any]:
    """What the figures depend on: processor, cores, GPU, torch and its threads."""
    found = {
        "cpu": processor(),
        "cores": os.cpu_count() or 0,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    return found


def known(values: Iterable[_T | None]) -> list[_T]:
    """Values without None, as which the GSR of rounds in which nothing was tried is known."""
    return [value for value in values if value is not None]


def finish(
    arguments: argparse.Namespace,
    numbers: Mapping[str, float | None],
    facts: Mapping[str, Any] = {},
) -> None:
    """Print the numbers; write them where the command line says.

    Args:
        arguments: parsed `command_line`.
        numbers: flat names to numbers; None is not known, a hyphen in print and null in files.
        facts: what was measured, recorded beside the machine.
    """
    width = max(map(len, numbers))
    for name, value in numbers.items():
        print(f"{name:{width}}  {'-' if value is None else f'{value:.4g}'}")
    about = {**machine(), **facts}
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    if arguments.json:
        write_json(arguments.json, dict(numbers))
    if arguments.record:
        write_json(arguments.result, {"machine": about, "numbers": dict(numbers)})


def save_figure(figure: Any, path: Path) -> None:
    """Write a matplotlib figure as PNG whole or not at all, and close it."""
    import matplotlib.pyplot as plt

    figure.tight_layout()
    with atomic_path(path) as unfinished:
        figure.savefig(unfinished, dpi=100, format="png")
    plt.close(figure)

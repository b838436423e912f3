"""Language-conditioned keyframe tasks. A new task is a new file here with a `Task` in it."""

from __future__ import annotations

import sys

from equigrasp.discovery import found_classes
from sim.stage.task import Task


def task_classes() -> dict[str, type[Task]]:
    """All tasks by name, in alphabetical order."""
    return found_classes(sys.modules[__name__], Task)


def find_task(name: str) -> type[Task]:
    """A task by name.

    Raises:
        ValueError: there is none of that name.
    """
    known = task_classes()
    if name not in known:
        raise ValueError(f"no task '{name}'; there are {', '.join(known)}")
    return known[name]

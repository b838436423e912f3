"""A double of Ray for tests of `--engine ray`: it runs at once what it is given."""

import sys
from types import ModuleType

import pytest


class Task:
    """What `ray.remote` makes of a function."""

    def __init__(self, function, calls):
        self.function, self.calls = function, calls

    def options(self, **options):
        self.calls.append(options)
        return self

    def remote(self, *arguments):
        self.calls.append(len(arguments[1]))
        answer = self.function(*arguments)
        return type("Reference", (), {"answer": answer})()


@pytest.fixture
def fake_ray(monkeypatch):
    """Stands in for Ray; a list of what it was asked for: options, and the jobs of every chunk."""
    calls, ray = [], ModuleType("ray")
    ray.is_initialized = lambda: False
    ray.init = lambda **options: None
    ray.shutdown = lambda: calls.append("shutdown")
    ray.remote = lambda function: Task(function, calls)
    ray.wait = lambda references, num_returns: (references[:num_returns], references[num_returns:])
    ray.get = lambda reference: reference.answer
    monkeypatch.setitem(sys.modules, "ray", ray)
    return calls

"""The whole suite: threads, pictures without a display, hypothesis profiles; a double of Ray."""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType

# One thread per xdist worker, two without: set before torch and OpenMP are imported anywhere, and
# inherited by the simulator's worker processes. What the process that starts the workers chose for
# itself they inherit, too, and choose anew: two threads each on two cores wait for one another.
_THREADS = "1" if "PYTEST_XDIST_WORKER" in os.environ else "2"
_CHOSEN = os.environ.get("EQUIGRASP_TESTS_CHOSE", "").split()
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    if _name in _CHOSEN or _name not in os.environ:
        os.environ[_name] = _THREADS
        _CHOSEN.append(_name)
os.environ["EQUIGRASP_TESTS_CHOSE"] = " ".join(dict.fromkeys(_CHOSEN))
os.environ.setdefault("MPLBACKEND", "Agg")
# Where bytecode beside the sources is not wanted, the hundreds of programs that tests start share
# some elsewhere: each would compile all that it imports anew. Mutants have none.
_SHARED = "PYTHONPYCACHEPREFIX" not in os.environ
_SHARED &= os.environ.get("HYPOTHESIS_PROFILE") != "mutants"
if _SHARED and os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    os.environ["PYTHONPYCACHEPREFIX"] = tempfile.mkdtemp(prefix="equigrasp-bytecode-")
    atexit.register(shutil.rmtree, os.environ["PYTHONPYCACHEPREFIX"], ignore_errors=True)

import pytest  # noqa: E402
from hypothesis import HealthCheck, Phase, settings  # noqa: E402

# No deadline: simulation and first-time kernel expansion have uneven run times by nature.
_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("quick", max_examples=20, **_COMMON)
settings.register_profile("ci", max_examples=20, derandomize=True, database=None, **_COMMON)
# Whether an example fails is all that benchmarks/mutants.py asks: none is made smaller.
_FIRST = {"phases": (Phase.explicit, Phase.generate)}
settings.register_profile(
    "mutants", max_examples=20, derandomize=True, database=None, **_FIRST, **_COMMON
)
settings.register_profile("thorough", max_examples=500, **_COMMON)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "quick")
)


@pytest.fixture(autouse=True)
def _torch_random_state():
    """Every test starts from one torch random state, whatever ran before it or beside it."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture(autouse=True, scope="session")
def _torch_threads():
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


class RayTask:
    """What the double's `ray.remote` makes of a function."""

    def __init__(self, function, calls):
        self.function, self.calls = function, calls

    def options(self, **options):
        self.calls.append(options)
        return self

    def remote(self, *arguments):
        self.calls.append(len(arguments[1]))
        here = Path.cwd()
        os.chdir("/")  # machines of a cluster start in folders of their own
        try:
            answer = self.function(*arguments)
        finally:
            os.chdir(here)
        return type("Reference", (), {"answer": answer})()


@pytest.fixture
def fake_ray(monkeypatch):
    """Stands in for Ray, and runs at once what it is given.

    A list of what it was asked for: options, and the jobs of every chunk.
    """
    calls, ray = [], ModuleType("ray")
    ray.is_initialized = lambda: False
    ray.init = lambda **options: None
    ray.shutdown = lambda: calls.append("shutdown")
    ray.remote = lambda function: RayTask(function, calls)
    ray.wait = lambda references, num_returns: (references[:num_returns], references[num_returns:])
    ray.get = lambda reference: reference.answer
    monkeypatch.setitem(sys.modules, "ray", ray)
    return calls

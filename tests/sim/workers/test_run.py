"""Workers: crashes, hangs and exceptions cost one job; nothing vanishes or is left behind."""

import os
import subprocess
import sys
import textwrap
from dataclasses import replace

import pytest

from sim.workers import hired
from sim.workers.jobs import Failed, Job, Ok, WorkerError
from sim.workers.run import run_jobs

SHORT = 5.0
"""Limit (s) for jobs that hang: what does not hang has to end within it on a busy machine too."""

FUNCTIONS = """
    import ctypes, os, sys, time
    sys.stdout.write("loaded\\n")

    from sim.workers.uncounted import uncounted

    def prepare(before, after):
        with uncounted(), uncounted():
            time.sleep(before)
        time.sleep(after)
        return "made"

    def work(x, how="ok", flag=None):
        if flag is not None:
            if os.path.exists(flag):
                return x
            open(flag, "w").close()
        if how == "abort":
            os.abort()
        if how == "segv":
            ctypes.string_at(0)
        if how == "exit":
            os._exit(3)
        if how == "hang":
            time.sleep(1000)
        if how == "raise":
            raise KeyError("gone")
        if how == "unsendable":
            return lambda: 0
        return x * x

    def pid():
        return os.getpid()

    def threads():
        import torch
        return os.environ["OMP_NUM_THREADS"], torch.get_num_threads()

    def noisy(x):
        print(f"job {x} was here", flush=True)
        if x == 2:
            os.abort()

    def leak(keep=[]):
        keep.append(bytearray(80_000_000))
        return os.getpid()
"""


@pytest.fixture
def functions(tmp_path, monkeypatch):
    """Name of a module of job functions that workers can import."""
    (tmp_path / "job_functions.py").write_text(textwrap.dedent(FUNCTIONS))
    monkeypatch.syspath_prepend(tmp_path)
    return "job_functions"


def run(function, jobs, **options):
    results = {}

    def note(result):
        assert result.key not in results
        results[result.key] = result

    options = {"workers": 2, "timeout_s": 20.0} | options
    counts = run_jobs(function, jobs, on_result=note, **options)
    assert counts.ok == sum(isinstance(r, Ok) for r in results.values())
    assert counts.failed == sum(isinstance(r, Failed) for r in results.values())
    return results, counts


def children():
    """Process ids of this process's children, zombies included."""
    listing = subprocess.Popen(
        ["ps", "-o", "pid=", "--ppid", str(os.getpid())], stdout=subprocess.PIPE, text=True
    )
    return {int(pid) for pid in listing.communicate()[0].split()} - {listing.pid}


def test_every_fate_of_a_job_is_reported_and_the_others_are_done(functions):
    fates = ["ok", "abort", "segv", "hang", "raise", "unsendable", "exit"]
    jobs = [Job(how, {"x": 3, "how": how}) for how in fates]
    jobs += [Job(i, {"x": i}) for i in range(20)]
    results, counts = run(f"{functions}:work", jobs, timeout_s=SHORT)

    assert len(results) == len(jobs)
    assert all(results[i].value == i * i for i in range(20))
    reasons = {how: getattr(results[how], "reason", "ok") for how in fates}
    assert reasons == {
        "ok": "ok",
        "abort": "crash",
        "segv": "crash",
        "exit": "crash",
        "hang": "timeout",
        "raise": "exception",
        "unsendable": "exception",
    }
    assert "SIGABRT" in results["abort"].message
    assert "SIGSEGV" in results["segv"].message
    assert "exit code 3" in results["exit"].message
    assert "LookupError" in results["raise"].kinds
    # The trace leads to the line, also of a process that was killed while hanging.
    for how in ("abort", "hang", "raise"):
        assert "job_functions.py" in results[how].traceback
    assert {how: results[how].attempts for how in ("abort", "hang", "raise")} == {
        "abort": 2,
        "hang": 2,
        "raise": 1,
    }
    assert counts.retried == 4
    assert counts.restarts == 8


@pytest.mark.parametrize("how", ["abort", "hang"])
def test_a_second_attempt_can_succeed(functions, tmp_path, how):
    job = Job("a", {"x": 5, "how": how, "flag": str(tmp_path / "flag")})
    results, counts = run(f"{functions}:work", [job], timeout_s=SHORT)
    assert results["a"].value == 5
    assert results["a"].attempts == 2
    assert counts.restarts == 1


def test_time_that_does_not_count_is_limited_by_itself(functions, monkeypatch):
    function, jobs = f"{functions}:prepare", [Job("a", {"before": SHORT + 1.0, "after": 0.0})]
    results, counts = run(function, jobs, timeout_s=SHORT)
    assert (results["a"].value, results["a"].attempts, counts.restarts) == ("made", 1, 0)
    monkeypatch.setattr(hired, "UNCOUNTED_TIMEOUT", 2.0)
    jobs = [Job("before", {"before": 100.0, "after": 0.0})]
    jobs += [Job("after", {"before": 0.0, "after": 100.0})]
    results, _ = run(function, jobs, timeout_s=SHORT, retries=0)
    assert {name: (found.reason, found.message) for name, found in results.items()} == {
        "before": ("timeout", "no result within 2 s"),
        "after": ("timeout", "no result within 5 s"),
    }


def test_no_retries_when_none_are_wanted(functions):
    results, _ = run(f"{functions}:work", [Job(0, {"x": 1, "how": "abort"})], retries=0)
    assert results[0].attempts == 1


def test_workers_are_replaced_after_their_share_of_jobs(functions):
    jobs = [Job(i, {}) for i in range(7)]
    results, counts = run(f"{functions}:pid", jobs, workers=1, max_jobs_per_worker=3)
    pids = [results[i].value for i in range(7)]
    assert len(set(pids)) == 3
    assert os.getpid() not in pids
    assert counts.restarts == 0


def test_workers_that_grow_are_replaced(functions):
    jobs = [Job(i, {}) for i in range(6)]
    results, _ = run(f"{functions}:leak", jobs, workers=1, max_memory=200_000_000)
    assert len({r.value for r in results.values()}) > 1


def test_threads_are_limited(functions, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    results, _ = run(f"{functions}:threads", [Job(0, {})], workers=1, threads=1)
    assert results[0].value == ("1", 1)


def test_a_report_holds_the_output_of_its_own_job_only(functions):
    jobs = [Job(i, {"x": i}) for i in range(3)]
    results, _ = run(f"{functions}:noisy", jobs, workers=1, retries=0)
    assert "job 2 was here" in results[2].traceback
    assert "job 1" not in results[2].traceback


def test_jobs_are_drawn_only_as_workers_become_free(functions):
    drawn, before = [], children()

    def jobs():
        for i in range(50):
            drawn.append(i)
            yield Job(i, {"x": i})

    def stop(result):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        run_jobs(f"{functions}:work", jobs(), workers=2, timeout_s=20, on_result=stop)
    assert len(drawn) <= 4
    assert children() == before


def test_functions_that_cannot_be_loaded_end_the_run_at_once(functions, tmp_path):
    before = children()
    (tmp_path / "broken_module.py").write_text("import no_such_thing")
    (tmp_path / "dying_module.py").write_text("import os\nos.abort()")
    for name, said in [
        (f"{functions}:nothing", "has no 'nothing'"),
        ("broken_module:work", "no_such_thing"),
        ("dying_module:work", "SIGABRT"),
        ("no_colon", "module:callable"),
    ]:
        with pytest.raises(WorkerError, match=said):
            run(name, [Job(0, {})])
    assert children() == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"workers": 0}, "workers is 0"),
        ({"timeout_s": 0}, "timeout_s=0"),
        ({"retries": -1}, "retries=-1"),
        ({"engine": "dask"}, "'dask'"),
    ],
)
def test_impossible_limits_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        run("math:sqrt", [], **options)


def test_nothing_to_do_starts_nothing(monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))
    results, _ = run("math:sqrt", [])
    assert results == {}


def test_missing_ray_names_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"pip install 'equigrasp\[ray\]'"):
        run("math:sqrt", [Job(0, {})], engine="ray")


@pytest.mark.timeout(1800)  # Ray's own processes take minutes to start on a busy machine
def test_ray_gives_the_same_results(functions, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ADDRESS", "local")  # not a cluster that another test has started
    fates = ["ok", "abort", "raise", "hang"]
    jobs = [Job(how, {"x": 3, "how": how}) for how in fates]
    results, _ = run(f"{functions}:work", jobs, engine="ray", timeout_s=SHORT)
    reasons = [getattr(results[how], "reason", "ok") for how in fates]
    assert reasons == ["ok", "crash", "exception", "timeout"]


def test_the_parent_needs_no_numerical_library():
    code = "import sys, sim.workers.run, sim.workers.pool; print('numpy' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "False\n"


def test_an_error_that_a_user_can_mend_is_told_alone():
    deep = '  File "a.py", line 3, in f\n    {}\n'
    raised = Failed(
        "a", "exception", "ValueError: too wide", "Traceback\n" + deep, 1, ("ValueError",)
    )
    for code, alone in (("raise ValueError(", True), ("x = y.reshape(3)", False)):
        failed = replace(raised, traceback=raised.traceback.format(code) + "ValueError: too wide")
        assert (failed.told == "too wide") is alone
        assert ("a.py" in failed.told) is not alone
    fault = replace(raised, kinds=("KeyError",), traceback=deep.format("raise KeyError()"))
    assert "a.py" in fault.told

"""Workers end with the run that started them, however it ends."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time

FUNCTIONS = """
    import time

    def work():
        time.sleep(1000)
"""

DRIVER = """
    import signal, sys
    from sim.workers.run import run_jobs
    from sim.workers.jobs import Job
    signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs ignore it
    jobs = [Job(i, {}) for i in range(2)]
    print("up", flush=True)
    run_jobs("slow_jobs:work", jobs, workers=2, timeout_s=600, on_result=print)
"""


def start_driver(tmp_path):
    """A run whose two jobs hang; its process and the ids of its workers."""
    (tmp_path / "driver.py").write_text(textwrap.dedent(DRIVER))
    (tmp_path / "slow_jobs.py").write_text(textwrap.dedent(FUNCTIONS))
    paths = [str(tmp_path), *filter(None, sys.path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    driver = subprocess.Popen(
        [sys.executable, str(tmp_path / "driver.py")],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert driver.stdout.readline() == "up\n"
    pids = set()
    while len(pids) < 2:
        listed = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(driver.pid)], capture_output=True, text=True
        )
        pids = {int(p) for p in listed.stdout.split()}
        time.sleep(0.05)
    return driver, pids


def wait_until_gone(pids):
    while any(os.path.exists(f"/proc/{pid}") and not is_zombie(pid) for pid in pids):
        time.sleep(0.02)


def is_zombie(pid):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "Z"
    return False


def test_workers_die_with_a_killed_parent(tmp_path):
    driver, pids = start_driver(tmp_path)
    driver.kill()
    driver.communicate()
    wait_until_gone(pids)  # or the test runs into its time limit


def test_ctrl_c_ends_a_run_and_its_workers(tmp_path):
    driver, pids = start_driver(tmp_path)
    os.killpg(driver.pid, signal.SIGINT)
    _, errors = driver.communicate()  # or the test runs into its time limit
    assert driver.returncode != 0
    assert errors.rstrip().endswith("KeyboardInterrupt")
    wait_until_gone(pids)

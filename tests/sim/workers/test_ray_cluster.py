"""A cluster of machines, one of which is lost: Ray's own processes, all on this computer."""

import textwrap

import pytest

from sim.workers.jobs import Job
from sim.workers.run import run_jobs

FUNCTIONS = """
    import os, pathlib, time

    def work(x, folder):
        machine, folder = os.environ["MACHINE"], pathlib.Path(folder)
        (folder / f"{x}_{machine}").touch()
        stuck = len(list(folder.glob("*_lost"))) == 3 and machine == "lost"
        time.sleep(100 if stuck else 0.2)
        return x * x, machine
"""


@pytest.fixture
def cluster(monkeypatch):
    """A head that does nothing itself, and two machines; RAY_ADDRESS names it."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    try:
        cluster.machines = {
            name: cluster.add_node(num_cpus=1, env_vars={"MACHINE": name})
            for name in ("kept", "lost")
        }
        yield cluster
    finally:
        cluster.shutdown()


@pytest.mark.timeout(1800)  # Ray's own processes take minutes to start on a busy machine
def test_what_a_lost_machine_had_is_done_by_another(cluster, tmp_path, monkeypatch):
    (tmp_path / "cluster_functions.py").write_text(textwrap.dedent(FUNCTIONS))
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "begun").mkdir()
    results, begun = {}, tmp_path / "begun"

    def note(result):
        assert result.key not in results
        results[result.key] = result.value
        if len(list(begun.glob("*_lost"))) == 3 and "lost" in cluster.machines:
            cluster.remove_node(cluster.machines.pop("lost"), allow_graceful=False)

    jobs = [Job(x, {"x": x, "folder": str(begun)}) for x in range(40)]
    counts = run_jobs(
        "cluster_functions:work", jobs, workers=2, timeout_s=200.0, on_result=note, engine="ray"
    )
    assert list(cluster.machines) == ["kept"]
    assert results == {x: (x * x, "kept") for x in range(40)}
    assert (counts.ok, counts.failed) == (40, 0)
    begun_twice = {path.name.split("_")[0] for path in begun.glob("*_lost")}
    assert len(begun_twice) == 3
    assert {path.name.split("_")[0] for path in begun.glob("*_kept")} >= begun_twice

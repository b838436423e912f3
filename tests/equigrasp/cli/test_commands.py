"""Every command of the table: it exists, explains itself, and its example works as printed."""

import importlib
import os
import shlex
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

import equigrasp
from equigrasp import doctor
from equigrasp.cli import STATUSES, UNUSABLE, main, run
from equigrasp.cli.completion import DATA, EXAMPLE, SCRIPTS, kinds
from equigrasp.cli.table import COMMANDS, Command
from equigrasp.exchange import load_grasps
from equigrasp.input_files import read_pose, read_view
from equigrasp.interruption import INTERRUPTED
from equigrasp.serving.client import PlannerClient

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_a_function_and_its_help_has_the_example(name, capsys):
    command = COMMANDS[name]
    module, _, function = command.home.partition(":")
    assert callable(getattr(importlib.import_module(module), function))
    assert shlex.split(command.example)[1] == name
    if command.takes_arguments:  # Hydra's help belongs to a process of its own
        with pytest.raises(SystemExit) as stopped:
            main([name, "--help"])
        assert stopped.value.code == 0
        said = capsys.readouterr().out
        assert f"example: {command.example}\n" in said
        assert command.summary in said


def test_help_names_all_commands_and_what_exit_statuses_mean(capsys):
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(f"  {name} " in said for name in COMMANDS)
    assert STATUSES in said
    assert main([]) == UNUSABLE


def test_a_mistyped_command_is_guessed(capsys):
    assert main(["plam"]) == UNUSABLE
    assert "did you mean 'plan'?" in capsys.readouterr().err
    assert main(["xyz"]) == UNUSABLE
    assert "choose one of sample, plan" in capsys.readouterr().err


def test_the_first_examples_work_one_after_another(typed, capsys, monkeypatch):
    monkeypatch.setattr(doctor, "diagnose", lambda *_, **__: [])  # has tests of its own
    assert typed(COMMANDS["sample"].example) == 0
    plan_line = capsys.readouterr().out.splitlines()[-1]
    assert typed(COMMANDS["plan"].example) == 0
    told = capsys.readouterr().out
    grasps = load_grasps("grasps.json")
    assert f"{len(grasps)} grasps (ok)" in told
    assert len(grasps) >= 3
    assert typed(plan_line + " --model giga_pile --max-grasps 1") == 0
    assert typed(COMMANDS["doctor"].example) == 0
    assert "camera: frame: the camera at" in capsys.readouterr().out
    assert typed("equigrasp plan looks/depth.png --camera looks/camera.json") == 0
    assert "grasps are in the camera's frame" in capsys.readouterr().out


def test_thresholds_and_pictures_of_a_plan(typed, tmp_path, capsys):
    """What can be set where planners are compared can be set where one plans."""
    typed(COMMANDS["sample"].example)
    line = "equigrasp plan looks/depth.png --camera looks/camera.json --pose looks/pose.json"
    line += " --model equigiga_pile"
    assert typed(f"{line} --out usual.json --pictures drawn") == 0
    names = {path.name for path in (tmp_path / "drawn").iterdir()}
    assert names == {"depth.png", "tsdf.png", "grasps.png", "shape.png"}
    assert typed(f"{line} --out shallow.json --set advance=0 --set unseen=predicted") == 0
    usual, shallow = (
        {grasp.position.tobytes() for grasp in load_grasps(f"{name}.json")}
        for name in ("usual", "shallow")
    )
    assert not usual & shallow
    (tmp_path / "mine.json").write_text('{"max_grasps": 1}')
    assert typed(f"{line} --out one.json --planner-config mine.json") == 0
    assert len(load_grasps("one.json")) == 1
    capsys.readouterr()
    for wrong, said in {"advnace=0": "unknown threshold", "unseen=x": "choose one of free"}.items():
        assert typed(f"{line} --set {wrong}") == UNUSABLE
        assert said in capsys.readouterr().err


def test_what_cannot_be_planned_is_told_in_a_sentence(typed, capsys):
    typed(COMMANDS["sample"].example)
    for line, said in {
        "plan none.png --camera looks/camera.json": "there is no file none.png",
        "plan looks/depth.png --camera none.json": "there is no file none.json",
        "plan looks/depth.png --camera looks/camera.json --model none": "no model at 'none'",
        "plan looks/depth.png --camera looks/camera.json --out grasps.txt": ".json, .npz",
        "plan looks/depth.png --camera looks/camera.json --pose looks/camera.json": "4x4",
        "view none.npz": "none.npz",
    }.items():
        assert typed(f"equigrasp {line}") == UNUSABLE
        assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    [
        "data packed --scenes 2",
        "eval --scene packed --model antipodal --rounds 1 --seeds 1 --workers 1",
        "objects check",
    ],
)
def test_an_unknown_object_set_is_told_in_one_line(typed, line, capfd):
    assert typed(f"equigrasp {line} --objects nosuch") != 0
    said = "".join(capfd.readouterr()).strip().splitlines()
    assert "object set 'nosuch' is neither a folder nor one of" in said[-1]
    assert not [each for each in said if "Traceback" in each or 'File "' in each]
    assert sum("nosuch" in each for each in said) == 1


def test_no_grasp_is_an_exit_status_of_its_own(typed, capsys):
    typed(COMMANDS["sample"].example)
    line = "equigrasp plan looks/depth.png --camera looks/camera.json --pose looks/pose.json"
    assert typed(f"{line} --box 0 0 5 5") == 1
    assert "0 grasps (empty_mask)" in capsys.readouterr().out


def test_a_missing_viewer_is_named_before_anything_is_read(typed, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "viser", None)
    assert typed("equigrasp plan none.png --camera none.json --view") == UNUSABLE
    assert "pip install 'equigrasp[view]'" in capsys.readouterr().err


def raising(error):
    def function(arguments):
        raise error

    return SimpleNamespace(function=function)


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KeyboardInterrupt(), INTERRUPTED, "interrupted; the same command goes on"),
        (ValueError("too wide"), UNUSABLE, "equigrasp x: too wide"),
        (ModuleNotFoundError("no roma", name="roma"), UNUSABLE, "pip install 'equigrasp[train]'"),
    ],
)
def test_how_a_command_ends(error, status, said, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "stand_in", raising(error))
    command = Command("", "stand_in:function", "", "the same command goes on")
    assert run("x", command, []) == status
    assert said in capsys.readouterr().err


def test_a_fault_of_ours_is_not_hidden(monkeypatch):
    monkeypatch.setitem(sys.modules, "stand_in", raising(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        run("x", Command("", "stand_in:function", ""), [])


def test_a_planner_is_served_until_somebody_ends_it():
    line = [sys.executable, "-m", *COMMANDS["serve"].example.split()]
    environment = {**os.environ, "PYTHONPATH": str(Path(equigrasp.__file__).parents[1])}
    process = subprocess.Popen(
        line,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        # Whoever starts the suite in the background has it, and all below it, ignore Ctrl-C.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    try:
        address = process.stdout.readline().split()[0]
        assert main(["sample", "looks"]) == 0
        view = read_view("looks/depth.png", "looks/camera.json")
        assert len(PlannerClient(address).plan(*view, read_pose("looks/pose.json"))) > 0
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("shell", SCRIPTS)
def test_completion_knows_all_commands(shell, capsys):
    assert main(["completion", shell]) == 0
    said = capsys.readouterr().out
    assert " ".join(COMMANDS) in said
    assert " ".join((*kinds(), *DATA)) in said


def test_bash_completes(capsys):
    main(["completion", "bash"])
    script = capsys.readouterr().out
    script = f"equigrasp() {{ cat <<'END'\n{script}\nEND\n}}\n{EXAMPLE}"  # as a shell runs it
    script += '\nCOMP_WORDS=(equigrasp data pa); COMP_CWORD=2; _equigrasp; echo "${COMPREPLY[@]}"'
    finished = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert finished.stdout.split() == ["packed"]


def test_completion_knows_the_kinds_there_are():
    from sim.scene.kinds import scene_kinds

    assert kinds() == sorted(scene_kinds())

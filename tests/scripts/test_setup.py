"""What setup.sh says on systems that lack something, with stand-ins for the commands it asks."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("bash", "cat", "cut", "dirname", "env", "grep", "id", "mktemp", "mv", "rm", "sed")
TOOLS += ("sha256sum", "tail", "timeout", "uname", "flock")


@pytest.fixture
def machine(tmp_path):
    """A copy of the files that setup.sh reads, and a PATH with plain tools and nothing else."""
    bin_folder, project = tmp_path / "bin", tmp_path / "project"
    bin_folder.mkdir()
    (project / "scripts").mkdir(parents=True)
    for name in ("pyproject.toml", "scripts/setup.sh", "scripts/build_backend.py"):
        shutil.copy(ROOT / name, project / name)
    for tool in TOOLS:
        if found := shutil.which(tool):
            (bin_folder / tool).symlink_to(found)
    return tmp_path


def add_command(machine: Path, name: str, script: str) -> None:
    path = machine / "bin" / name
    path.write_text(f"#!{shutil.which('bash')}\n{script}\n")
    path.chmod(0o755)


def run_setup(machine: Path, **variables: str) -> subprocess.CompletedProcess:
    environment = {"PATH": str(machine / "bin"), "HOME": str(machine), **variables}
    return subprocess.run(
        [shutil.which("bash"), "scripts/setup.sh"],
        cwd=machine / "project",
        env=environment,
        capture_output=True,
        text=True,
    )


def test_without_a_fitting_python_it_says_how_to_get_one(machine):
    finished = run_setup(machine)
    assert finished.returncode == 1
    assert "needs CPython 3.10 or later" in finished.stderr
    assert "uv python install 3.11" in finished.stderr


def test_without_a_venv_module_it_names_the_packages(machine):
    # The version test passes, every import fails, and the version reads 3.11.
    add_command(
        machine,
        "python3.11",
        'case "$2" in *implementation*) exit 0;; *executable*) echo python3.11;;'
        ' *"%d.%d"*) echo 3.11;; *) exit 1;; esac',
    )
    finished = run_setup(machine)
    assert finished.returncode == 1
    assert "apt-get install -y python3.11-venv libusb-1.0-0 libgl1 libegl1 libgomp1" in (
        finished.stderr
    )


def test_an_environment_of_another_python_is_not_removed(machine):
    environment = machine / "project" / ".venv"
    (environment / "bin").mkdir(parents=True)
    script = 'case "$2" in *pip*) exit 0;; *) echo "Python 3.9.1"; exit 1;; esac'
    add_command(machine, "python", script)
    (machine / "bin" / "python").rename(environment / "bin" / "python")
    finished = run_setup(machine)
    assert finished.returncode == 1
    assert "rm -r .venv" in finished.stderr
    assert environment.exists()


def test_nothing_is_done_twice(machine):
    project = machine / "project"
    (project / ".venv" / "bin").mkdir(parents=True)
    (project / ".venv" / "bin" / "python").symlink_to(shutil.which("true"))  # agrees to all
    first, second = run_setup(machine), run_setup(machine)
    assert (first.returncode, second.returncode) == (0, 0)
    assert "installing" in first.stdout
    assert second.stdout == ""
    settings = project / "pyproject.toml"
    settings.write_text(settings.read_text() + "# changed\n")
    assert "installing" in run_setup(machine).stdout


def test_an_environment_left_half_made_is_made_again(machine):
    folder = machine / "project" / ".venv"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(shutil.which("true"))
    (folder / ".equigrasp-state").write_text("installing\n")
    assert "half made" in run_setup(machine).stdout


def optional_machine(machine, refuse):
    """A machine whose Python agrees to all but to installing what holds `refuse`."""
    folder = machine / "project" / ".venv" / "bin"
    folder.mkdir(parents=True)
    add_command(machine, "python", f'case "$*" in *"{refuse}"*) exit 1;; esac')
    (machine / "bin" / "python").rename(folder / "python")
    return machine


def test_optional_dependencies_are_added_once(machine):
    optional_machine(machine, "nothing like this")
    assert "optional" not in run_setup(machine).stdout
    first, second = (run_setup(machine, OPTIONAL="ray,view") for _ in range(2))
    assert [first.stdout.count(f"dependency '{extra}'") for extra in ("ray", "view")] == [1, 1]
    assert "installing" not in first.stdout  # the rest was there
    assert (second.returncode, second.stdout) == (0, "")
    assert run_setup(machine).stdout == ""  # what asks for less finds it ready


def test_an_optional_dependency_that_cannot_be_had_is_named_and_stops_nothing(machine):
    optional_machine(machine, "[ray]")
    for _ in range(2):  # it is tried again the next time
        finished = run_setup(machine, OPTIONAL="ray,view")
        assert finished.returncode == 0
        assert "'ray' cannot be had here" in finished.stdout
        assert "'view' cannot" not in finished.stdout


@pytest.fixture
def equipped(machine):
    """A machine with all that is required, and an apt-get that notes what it was asked for."""
    (optional_machine(machine, "nothing like this") / "noted").touch()
    add_command(machine, "id", "echo 0")
    add_command(machine, "true", "exit 0")
    run_setup(machine)
    return machine


@pytest.fixture
def apt(equipped):
    add_command(
        equipped, "apt-get", f'echo "$*" >> "{equipped}/noted"; [ ! -e "{equipped}/offline" ]'
    )
    return equipped / "noted"


def test_programs_that_tests_open_are_installed_where_they_are_not(equipped, apt):
    finished = run_setup(equipped, PROGRAMS="chromium")
    assert finished.returncode == 0
    assert "install -y --no-install-recommends chromium" in apt.read_text()
    assert "cannot" not in finished.stdout
    apt.write_text("")
    add_command(equipped, "chromium", "exit 0")
    assert run_setup(equipped, PROGRAMS="chromium").stdout == ""
    assert apt.read_text() == ""


def test_a_program_that_cannot_be_had_is_named_and_stops_nothing(equipped, apt):
    (equipped / "offline").touch()
    for _ in range(2):  # it is tried again the next time
        finished = run_setup(equipped, PROGRAMS="chromium")
        assert finished.returncode == 0
        assert "'chromium' is not installed" in finished.stdout


def test_nobody_who_only_sets_up_gets_a_browser(equipped, apt):
    assert run_setup(equipped).stdout == ""
    assert apt.read_text() == ""

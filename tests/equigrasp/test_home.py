"""How programs are called, in the repository and where the package alone is installed."""

from pathlib import Path

import pytest

from equigrasp.cli.completion import DATA, kinds
from equigrasp.cli.table import COMMANDS
from equigrasp.home import PROGRAMS, SHORT, typed


@pytest.mark.parametrize("program", [*SHORT, *(f"data_gen/{kind}.py" for kind in kinds())])
def test_a_program_has_a_file_here_and_a_command_in_the_wheel(program):
    assert typed(program, in_wheel=False) == f"python {program}"
    path = program if not program.startswith("-m ") else program[3:].replace(".", "/")
    assert any((PROGRAMS / each).is_file() for each in (path, f"{path}.py", f"{path}/__main__.py"))
    name, *rest = typed(program, in_wheel=True).removeprefix("equigrasp ").split()
    assert name in COMMANDS
    assert name != "data" or rest[0] in (*kinds(), *DATA)


def test_no_message_of_the_package_names_a_file_that_a_wheel_has_not():
    told = ("python data_gen/", "python sim/", "-m sim.")
    for path in {*(PROGRAMS / "equigrasp").rglob("*.py")} - {PROGRAMS / "equigrasp/home.py"}:
        code = path.read_text(encoding="utf-8").split('"""')[::2]  # without documentation
        lines = [line for part in code for line in part.splitlines()]
        wrong = [line for line in lines if any(each in line for each in told)]
        assert all("typed(" in line for line in wrong), f"{Path(path).name}: {wrong}"

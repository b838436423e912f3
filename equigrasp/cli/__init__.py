"""The command line: `equigrasp COMMAND`, a short way to the programs of this project.

Commands are those of `equigrasp.cli.table`; each is a function that exists without the command
line, and is imported when it is called.
"""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Sequence

from equigrasp import __version__
from equigrasp.cli import completion
from equigrasp.cli.table import COMMANDS, Command
from equigrasp.home import open_programs
from equigrasp.interruption import interrupted
from equigrasp.optional import explained

UNUSABLE = 2
STATUSES = """exit status:
  0    done
  1    ended without what was asked for: an error on the way, a fault found, no grasp
  2    command line, input or installation that cannot be used
  130  interrupted (Ctrl-C)"""
"""What the exit statuses of all commands mean."""
COMPLETION = "completion"
EXPECTED = (ValueError, FileNotFoundError, FileExistsError, IsADirectoryError, PermissionError)
"""Errors that a user can mend: told in a sentence."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit status, see `STATUSES`."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help", "help"):
        print(overview())
        return 0 if given else UNUSABLE
    if given[0] == "--version":
        print(__version__)
        return 0
    name, rest = given[0], given[1:]
    if name == COMPLETION:
        return completion.main(rest, [*COMMANDS, COMPLETION])
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"choose one of {', '.join(COMMANDS)}"
        print(f"equigrasp: there is no command '{name}'; {hint}", file=sys.stderr)
        return UNUSABLE
    return run(name, COMMANDS[name], rest)


def run(name: str, command: Command, rest: Sequence[str]) -> int:
    """Call the function behind a command; errors that a user can mend become one sentence.

    Args:
        name: of the command.
        command: of the table.
        rest: what was typed after its name.
    """
    open_programs()
    sys.argv = [f"equigrasp {name}", *rest]
    if {"-h", "--help"} & set(rest):
        print(f"{command.summary}\n\nexample: {command.example}\n", flush=True)
    module, _, function = command.home.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
        return (found(rest) if command.takes_arguments else found()) or 0
    except KeyboardInterrupt:
        return interrupted(command.resume)
    except ImportError as error:
        print(f"equigrasp {name}: {explained(error)}", file=sys.stderr)
    except EXPECTED as error:
        print(f"equigrasp {name}: {error}", file=sys.stderr)
    return UNUSABLE


def overview() -> str:
    """Help on all commands."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: equigrasp COMMAND ...",
            "",
            *lines,
            f"  {COMPLETION:<{width}}  print what completes these commands: bash, zsh or fish",
            "",
            "example: equigrasp sample looks",
            "equigrasp COMMAND --help explains a command and has an example of it.",
            "",
            STATUSES,
        ]
    )

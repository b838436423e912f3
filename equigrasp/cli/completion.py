"""`equigrasp completion`: scripts that complete commands in a shell."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence

from equigrasp.home import PROGRAMS

DATA = ("verify", "stats")
"""What `equigrasp data` does beside making scenes."""
EXAMPLE = 'eval "$(equigrasp completion bash)"'
BASH = """_equigrasp() {{
    local words=
    [ "$COMP_CWORD" = 1 ] && words="{commands}"
    [ "$COMP_CWORD" = 2 ] && [ "${{COMP_WORDS[1]}}" = data ] && words="{data}"
    if [ -n "$words" ]; then
        COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
    else
        COMPREPLY=($(compgen -f -- "${{COMP_WORDS[COMP_CWORD]}}"))
    fi
}}
complete -o filenames -F _equigrasp equigrasp"""
SCRIPTS = {
    "bash": BASH,
    "zsh": "autoload -U +X bashcompinit && bashcompinit\n" + BASH,
    "fish": """complete -c equigrasp -n __fish_use_subcommand -f -a "{commands}"
complete -c equigrasp -n "__fish_seen_subcommand_from data" -a "{data}\"""",
}
"""By shell."""


def kinds() -> list[str]:
    """Kinds of scenes, by the names of their files: nothing is imported to complete a word."""
    files = (PROGRAMS / "sim" / "scene" / "kinds").glob("[a-z]*.py")
    return sorted(path.stem for path in files)


def main(arguments: Sequence[str], commands: Iterable[str]) -> int:
    """Print the script of a shell.

    Args:
        arguments: the shell.
        commands: names to complete.
    """
    parser = argparse.ArgumentParser(
        prog="equigrasp completion",
        description="Print what completes these commands in a shell.",
        epilog=f"example: {EXAMPLE}",
    )
    parser.add_argument("shell", choices=SCRIPTS)
    shell = parser.parse_args(arguments).shell
    print(SCRIPTS[shell].format(commands=" ".join(commands), data=" ".join((*kinds(), *DATA))))
    return 0

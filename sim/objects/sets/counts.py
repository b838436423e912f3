"""How many objects of a set that has as many as one likes."""

from __future__ import annotations


def asked_count(name: str, argument: str, default: int) -> int:
    """The number behind the colon of "name:COUNT"; `default` if there is none.

    Raises:
        ValueError: if the argument is no positive number.
    """
    if argument and not (argument.isdecimal() and int(argument) > 0):
        raise ValueError(f"'{name}:{argument}' asks for no number of objects; write {name}:2000")
    return int(argument or default)

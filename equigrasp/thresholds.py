"""Thresholds of a planner from a command line: `--planner-config FILE`, `--set NAME=VALUE`."""

from __future__ import annotations

import argparse
import json
import reprlib
from dataclasses import fields
from pathlib import Path
from typing import Any

from equigrasp.data.files import read_json
from equigrasp.detection import DetectionConfig

_WORDS = {each.name for each in fields(DetectionConfig) if each.type == "str"}


def add_thresholds(parser: argparse.ArgumentParser) -> None:
    """The two options; `chosen_thresholds` reads what they were given."""
    add = parser.add_argument
    add("--planner-config", type=Path, metavar="FILE", help="JSON file of DetectionConfig fields")
    how = "one of them, as advance=0.01 or unseen=predicted; again for another"
    add("--set", action="append", default=[], metavar="NAME=VALUE", help=how)


def chosen_thresholds(options: argparse.Namespace) -> dict[str, Any]:
    """Fields of `DetectionConfig` by name: those of the file, and over them the single ones.

    Raises:
        ValueError: the file is no table of names, or a value is none.
    """
    values: dict[str, Any] = {}
    if options.planner_config:
        found = read_json(options.planner_config)
        if not isinstance(found, dict):
            raise ValueError(
                f"{options.planner_config} holds {reprlib.repr(found)}; give thresholds by name"
            )
        values |= found
    for entry in options.set:
        name, _, text = entry.partition("=")
        values[name] = _value(name, text, entry)
    return values


def detection_of(values: dict[str, Any]) -> DetectionConfig:
    """The thresholds that these make, with the usual ones for all others.

    Raises:
        ValueError: a name that is none, or a value beyond its limits.
    """
    try:
        return DetectionConfig(**values)
    except TypeError as error:
        raise ValueError(f"unknown threshold: {error}") from error


def _value(name: str, text: str, entry: str) -> Any:
    """What is written as in JSON; a word needs no quotes."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        if name in _WORDS and text:
            return text
        raise ValueError(f"--set {entry}: give NAME=VALUE with a number or true/false") from error

"""Weights that are not what they say: tensors, cards, pairs of both, devices."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from broken_inputs.case import Case
from equigrasp.registry import build_model
from equigrasp.weights import load_model, save_model

OPTIONS = {
    "giga": {"resolution": 16, "channels": 2, "hidden": 2, "blocks": 1},
    "equigiga": {"resolution": 16, "fields": 1, "depth": 2, "head_fields": 1, "head_blocks": 0},
}
Change = Callable[[dict[str, Any], dict[str, torch.Tensor]], Any]


@cache
def stored(name: str, seed: int) -> tuple[str, dict[str, torch.Tensor]]:
    """Card as text and tensors of a small model."""
    with TemporaryDirectory() as folder, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        target = save_model(build_model(name, **OPTIONS[name]), Path(folder) / "net")
        return target.with_suffix(".json").read_text(), load_file(target)


def put(folder: Path, card: str | bytes, tensors: dict[str, torch.Tensor]) -> Path:
    """Write a pair of files."""
    save_file(tensors, folder / "net.safetensors")
    note = folder / "net.json"
    note.write_bytes(card.encode() if isinstance(card, str) else card)
    return folder / "net"


def changed(name: str, change: Change, **options: Any) -> Callable[[Path], Any]:
    """Load a small model after a change to its card and tensors."""

    def run(folder: Path) -> Any:
        text, tensors = stored(name, 0)
        card, tensors = json.loads(text), {k: v.clone() for k, v in tensors.items()}
        card = change(card, tensors) or card
        return load_model(put(folder, json.dumps(card), tensors), **options)

    return run


def with_card(card: str | bytes) -> Callable[[Path], Any]:
    """Load a small model under another card."""
    return lambda folder: load_model(put(folder, card, stored("giga", 0)[1]))


def of_another(folder: Path) -> Any:
    """The tensors of one model under the card of another of the same configuration."""
    return load_model(put(folder, stored("giga", 0)[0], stored("giga", 1)[1]))


def first(tensors: dict[str, torch.Tensor], prefix: str = "") -> str:
    """Name of the first real tensor that has entries."""
    return next(
        k
        for k, v in tensors.items()
        if k.startswith(prefix) and v.numel() and v.is_floating_point()
    )


def value(number: float, old_card: bool = False) -> Change:
    """Put a number into the first tensor."""

    def change(card: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        tensors[first(tensors)].view(-1)[0] = number
        if old_card:
            del card["digest"]

    return change


def flipped_bit(card: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
    tensors[first(tensors)].view(-1).view(torch.int32)[0] ^= 1 << 12


def cast(kind: torch.dtype) -> Change:
    def change(card: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        tensors.update({k: v.to(kind) for k, v in tensors.items()})
        del card["digest"]

    return change


def zeros(card: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
    tensors.update({k: torch.zeros_like(v) for k, v in tensors.items()})
    del card["digest"]


def drop(prefix: str, old_card: bool) -> Change:
    def change(card: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        del tensors[first(tensors, prefix)]
        if old_card:
            del card["digest"]

    return change


def all_bases(card: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
    for name in [n for n in tensors if n.startswith("basis:")]:
        del tensors[name]
    del card["digest"]


def noise_basis(old_card: bool) -> Change:
    def change(card: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        name = next(k for k, v in tensors.items() if k.startswith("basis:") and v.dim() > 3)
        tensors[name] = torch.randn_like(tensors[name])
        if old_card:
            del card["digest"]

    return change


def bent_basis(card: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
    name = next(k for k, v in tensors.items() if k.startswith("basis:") and v.dim() > 3)
    tensors[name] = tensors[name].flatten(1)
    del card["digest"]


def config(old_card: bool = True, **entries: Any) -> Change:
    """Edit the configuration; `old_card` without a digest that would tell."""

    def change(card: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        card["config"] |= entries
        if old_card:
            del card["digest"]

    return change


def without(name: str) -> Change:
    def change(card: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        del card["config"][name], card["digest"]

    return change


def entry(**entries: Any) -> Change:
    return lambda card, tensors: card | entries


WHOLE = "give a whole number"
VALUES = [
    ("blocks", 10**6, f"blocks is 1000000; {WHOLE} from 0 to 32"),
    ("blocks", "5", f"blocks is '5'; {WHOLE}"),
    ("blocks", 1.5, f"blocks is 1.5; {WHOLE}"),
    ("blocks", None, f"blocks is None; {WHOLE}"),
    ("blocks", True, f"blocks is True; {WHOLE}"),
    ("channels", 100_000, f"channels is 100000; {WHOLE} from 1 to 1024"),
    ("channels", 0, "channels is 0; "),
    ("channels", -3, "channels is -3; "),
    ("channels", [2], r"channels is \[2\]; "),
    ("channels", 10**400, "channels is 1000"),
    ("depth", 60, "depth is 60; .* from 1 to 6"),
    ("hidden", 10**9, "hidden is 1000000000; "),
    ("resolution", 100_000, "resolution is 100000; .* from 2 to 256"),
    ("resolution", 15, "resolution 15 cannot be halved"),
    ("encoding", "other", "encoding"),
    ("encoding", None, "encoding is None; give a word"),
    ("encoding", 3, "encoding is 3; give a word"),
    ("query_setback", float("nan"), "query_setback is nan; give a finite number"),
    ("query_setback", float("inf"), "query_setback is inf; "),
    ("query_setback", "0.05", "query_setback is '0.05'; "),
    ("query_setback", 5.0, "query_setback is 5.0; .* from -0.1 to 0.1"),
    ("workspace_side", 0.0, "workspace_side is 0.0; "),
    ("table_height", float("-inf"), "table_height is -inf; "),
    ("hand", None, "a hand is described by names and values"),
    ("hand", "panda", "a hand is described by names and values"),
    ("hand", {}, "this is no hand"),
    ("colour", "red", r"has no option \['colour'\]"),
    ("name", "gigantic", "no model is called 'gigantic'"),
    ("name", ["giga"], "lacks the model's `config` with its `name`"),
    ("name", None, "lacks the model's `config` with its `name`"),
]

CASES = [
    *(
        Case(f"{name}={str(given)[:12]}", changed("giga", config(**{name: given})), says)
        for name, given, says in VALUES
    ),
    Case("edited", changed("giga", config(False, encoding="full")), "the card was edited"),
    Case("edited setback", changed("giga", config(False, query_setback=0.02)), "was edited"),
    Case(
        "fields doubled",
        changed("equigiga", config(fields=256, depth=6, resolution=64)),
        "at most 1024",
    ),
    Case(
        "channels doubled",
        changed("giga", config(channels=1024, depth=6, resolution=64)),
        "at most 2048",
    ),
    Case("fields", changed("equigiga", config(fields=100_000)), "fields is 100000; .* to 256"),
    Case("other size", changed("giga", config(channels=3)), "do not fit the model in the card"),
    Case("NaN", changed("giga", value(float("nan"))), "NaN or infinity in 1 of"),
    Case("infinity", changed("giga", value(float("inf"))), "NaN or infinity in 1 of"),
    Case("NaN, old card", changed("giga", value(float("nan"), True)), "NaN or infinity in 1"),
    Case("flipped bit", changed("giga", flipped_bit), "damaged or belongs to another card"),
    Case("of another", of_another, "damaged or belongs to another card"),
    Case("int8", changed("giga", cast(torch.int8)), "of type torch.int8, which does not convert"),
    Case("zero", changed("giga", zeros), "all tensors of .* are zero"),
    Case("no tensor", changed("giga", drop("", False)), "not those of its card"),
    Case("no tensor, old card", changed("giga", drop("", True)), "do not fit .*Missing key"),
    Case("no basis", changed("equigiga", drop("basis:", False)), "not those of its card"),
    Case("no basis, old", changed("equigiga", drop("basis:", True)), "kernel basis .* is missing"),
    Case("no bases, old", changed("equigiga", all_bases), "kernel basis .* is missing"),
    Case("noise basis", changed("equigiga", noise_basis(False)), "not those of its card"),
    Case("noise basis, old", changed("equigiga", noise_basis(True)), "is not steerable"),
    Case("bent basis, old", changed("equigiga", bent_basis), "kernel basis .* has shape"),
    Case("digest is text", changed("giga", entry(digest="abc")), "has a digest without"),
    Case("half a digest", changed("giga", entry(digest={"config": ""})), "has a digest without"),
    Case("format", changed("giga", entry(format=None)), "has format None"),
    Case("config is a list", changed("giga", entry(config=[1])), "lacks the model's `config`"),
    Case("calibration", changed("giga", entry(calibration=[1])), "calibration is"),
    Case("calibration NaN", changed("giga", entry(calibration={"a": float("nan")})), "a = nan"),
    Case("a list", with_card("[]"), "lacks the model's `config`"),
    Case("a number", with_card("3"), "lacks the model's `config`"),
    Case("null", with_card("null"), "lacks the model's `config`"),
    Case("empty", with_card(""), "is not JSON"),
    Case("nested", with_card("[" * 200_000), "nested too deep"),
    Case("latin-1", with_card('{"name": "größe"}'.encode("latin-1")), "not text in UTF-8"),
    Case("UTF-16", with_card('{"name": 1}'.encode("utf-16")), "not text in UTF-8"),
    Case("5,000 digits", with_card('{"format": ' + "1" * 5000 + "}"), "is not JSON: .*digits"),
    Case("zeros", with_card(bytes(100)), "is not JSON"),
    Case("device", changed("giga", entry(), device="tpu9"), "no device 'tpu9' here; .* cpu"),
    Case("absent device", changed("giga", entry(), device="cuda:99"), "this machine has cpu"),
    Case("meta device", changed("giga", entry(), device="meta"), "no device 'meta' here"),
    Case("device None", changed("giga", entry(), device=None), "no device None here"),
]

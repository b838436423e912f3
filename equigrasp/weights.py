"""Save and load models as safetensors with a JSON card beside them.

A file pair `name.safetensors` + `name.json` holds the trainable coefficients, the kernel bases they
refer to, and the card: architecture, constructor arguments, digests of both (`equigrasp.seal`) and
whatever the author records (data, seeds, metrics). Nothing in it can execute code. Because the
bases travel along, loading needs no escnn, and coefficients keep their meaning whatever version of
escnn is installed.
"""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from equigrasp.data.files import atomic_path, read_json, write_tensors
from equigrasp.seal import check_seal, check_tensors, check_types, sealed

if TYPE_CHECKING:
    from torch import Tensor, nn

    from equigrasp.models.base import GraspModel
    from equigrasp.nn.kernel_basis import BasisBank

SHIPPED = Path(__file__).parent / "weights_data"
"""Folder of the weights that come with the package."""

PUBLISHED_SUFFIXES = (".pt", ".pth")
"""File names of published checkpoints."""

FORMAT = 1

_BASIS = "basis:"
_RENAMED = {"enter": "in_projection", "leave": "out_projection", "hand": "hand_points"}
"""Names that modules had in files written by early versions, and their names today."""


def shipped_names(folder: Path = SHIPPED) -> list[str]:
    """Names of the models that come with the package, in one of its folders of weights."""
    return sorted(path.stem for path in folder.glob("*.safetensors"))


def save_model(
    model: nn.Module,
    path_prefix: str | os.PathLike,
    card: Mapping[str, Any] | None = None,
    *,
    half: bool = False,
) -> Path:
    """Write `path_prefix`.safetensors and .json, each under a temporary name first.

    Args:
        model: trainable (not frozen) grasp model or policy.
        path_prefix: path without extension; the folder is created.
        card: JSON-able facts to keep with the weights; "format", "config" and "digest" are set
            here.
        half: round to float16, half the file; loading gives the model's own precision again.

    Returns:
        the path of the safetensors file.

    Raises:
        ValueError: the model is frozen, or has weights beyond the range of float16.
    """
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError("this model is frozen; save the trainable model it was made from")
    prefix = Path(path_prefix)
    tensors = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    if half:
        tensors = {name: _rounded(name, tensor) for name, tensor in tensors.items()}
    bank = getattr(model, "bank", None)  # models without symmetry have no kernel bases
    tensors |= {_BASIS + k: v.contiguous() for k, v in (bank.tensors() if bank else {}).items()}
    target, note = _paths(prefix)
    content = sealed({**(card or {}), "format": FORMAT, "config": model.config}, tensors)
    with atomic_path(note) as card_file, atomic_path(target) as tensor_file:
        write_tensors(tensors, tensor_file)  # neither takes its name before both are complete
        card_file.write_text(json.dumps(content, indent=2) + "\n")
    return target


def load_model(
    name_or_path: str | os.PathLike,
    device: str = "cpu",
    frozen: bool = True,
    *,
    kind: type[GraspModel] | None = None,
    verify: bool = True,
) -> GraspModel:
    """Load a shipped model by name or any saved model by path.

    Args:
        name_or_path: shipped name, path of the .safetensors file (extension optional), a
            checkpoint folder holding `model.safetensors` and `model.json`, or a published GIGA
            checkpoint (.pt, .pth; see `equigrasp.models.giga_checkpoint`).
        device: torch device.
        frozen: plain-torch copy for inference (default), otherwise the trainable model.
        kind: class of the model, where it is not one of this package.
        verify: compare tensors and configuration with the digests of the card, and ask for finite
            tensors and all kernel bases. A card without digests, of an early version, gives a
            warning. False loads whatever fits.

    Returns:
        the model; `model.card` is the JSON card, `model.calibration` the map from its scores to
        probabilities that the card holds, or the identity.

    Raises:
        FileNotFoundError: nothing there; the message lists what is shipped.
        ValueError: the card or the tensors do not describe a model of this version, or are not
            what they were when saved; there is no such device.
    """
    from equigrasp.devices import find_device
    from equigrasp.registry import build_kind, model_class

    place = find_device(device)
    if Path(name_or_path).suffix in PUBLISHED_SUFFIXES:
        from equigrasp.models.giga_checkpoint import load_published_giga

        model = load_published_giga(name_or_path)
        check_tensors(model.state_dict() if verify else {}, str(name_or_path))
        card = {"config": model.config, "source": Path(name_or_path).name}
        return _ready(model, card, frozen).to(place)
    saved = read_weights(name_or_path, verify=verify)
    tensors = {k: v for k, v in saved.tensors.items() if not k.startswith(_BASIS)}
    options = {k: v for k, v in saved.card["config"].items() if k != "name"}
    kind = kind or model_class(saved.card["config"]["name"])
    try:
        model = build_kind(kind, options, bank=_bank(saved.tensors, kind, verify))
        fill(model, tensors, saved.target)
    except ValueError as error:
        raise ValueError(f"{saved.target} and its card: {error}") from error
    return _ready(model, saved.card, frozen).to(place)


def _bank(tensors: Mapping[str, Tensor], kind: type, verify: bool) -> BasisBank | None:
    """The kernel bases of a file, for a class that takes some."""
    from equigrasp.nn.kernel_basis import BasisBank

    bases = {k[len(_BASIS) :]: v.float() for k, v in tensors.items() if k.startswith(_BASIS)}
    if "bank" not in inspect.signature(kind).parameters or not (bases or verify):
        return None
    return BasisBank(bases, complete=verify)


def _ready(model: GraspModel, card: dict[str, Any], frozen: bool) -> GraspModel:
    from equigrasp.calibration import Calibration
    from equigrasp.nn.freeze import freeze

    model = freeze(model) if frozen else model
    model.card, model.calibration = card, Calibration.of_card(card)
    return model


def _rounded(name: str, tensor: Tensor) -> Tensor:
    """A floating-point tensor in float16; others as they are."""
    if not tensor.is_floating_point():
        return tensor
    rounded = tensor.half()
    if not (rounded.isfinite() | ~tensor.isfinite()).all():
        raise ValueError(
            f"{name} holds {float(tensor.abs().max()):.3g}; float16 ends at 65504, save with "
            "half=False"
        )
    return rounded


def _paths(prefix: Path) -> tuple[Path, Path]:
    return prefix.with_name(prefix.name + ".safetensors"), prefix.with_name(prefix.name + ".json")


def find_weights(name_or_path: str | os.PathLike, shipped: Path = SHIPPED) -> tuple[Path, Path]:
    """Paths of the tensors and of the card of a shipped or saved model, see `load_model`.

    Args:
        name_or_path: see `load_model`.
        shipped: folder in which shipped names are looked up.

    Raises:
        FileNotFoundError: nothing there; the message lists what is shipped.
    """
    path = Path(name_or_path)
    if path.suffix == ".safetensors":
        path = path.with_suffix("")
    for prefix in (shipped / str(name_or_path), path, path / "model"):
        target, note = _paths(prefix)
        if target.is_file() and note.is_file():
            return target, note
    raise FileNotFoundError(
        f"no model at {str(name_or_path)!r}: give a .safetensors file with its .json beside it, "
        f"a checkpoint folder, or one of {shipped_names(shipped)}"
    )


def weights_label(name_or_path: str | os.PathLike) -> str:
    """What to call weights: a shipped name, that of a file, or of the run that left `model`."""
    path = Path(name_or_path)
    return (path.parent if path.stem == "model" and path.parent.name else path).name


class SavedWeights(NamedTuple):
    """A pair of files: where the tensors are, the card, and the tensors by name."""

    target: Path
    card: dict[str, Any]
    tensors: dict[str, Tensor]


def read_weights(
    name_or_path: str | os.PathLike, shipped: Path = SHIPPED, *, verify: bool = True
) -> SavedWeights:
    """Card and tensors of a shipped or saved model, see `load_model`.

    Args:
        name_or_path: see `load_model`.
        shipped: folder in which shipped names are looked up.
        verify: whether digests have to agree and tensors to be finite.

    Raises:
        FileNotFoundError: nothing there.
        ValueError: torn, foreign or damaged, or one file of another pair.
    """
    target, note = find_weights(name_or_path, shipped)
    card, tensors = read_card(note), read_tensors(target)
    if verify:
        check_tensors(tensors, str(target))
        check_seal(card, tensors, str(target))
    return SavedWeights(target, card, tensors)


def fill(model: nn.Module, tensors: Mapping[str, Tensor], owner: str | os.PathLike) -> None:
    """Give a model the tensors of a file, by their names of today.

    Raises:
        ValueError: they are of another model, or of other types.
    """
    named = current_names(tensors, model)
    check_types(named, model, str(owner))
    try:
        model.load_state_dict(named)
    except RuntimeError as error:
        raise ValueError(f"the tensors do not fit the model in the card: {error}") from error


def read_tensors(target: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file by name.

    Raises:
        ValueError: it is torn, or no such file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(target)
    except SafetensorError as error:
        raise ValueError(f"{target} is torn or no safetensors file: {error}") from error


def current_names(tensors: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Stored tensors by the names that a model has for them today.

    Early versions called the in and out projections of layers `enter` and `leave`, and the points
    in the hand `hand`. Names that the model knows stay as they are.

    Args:
        tensors: of a file, by name.
        model: into which they are to be loaded.
    """
    known = model.state_dict().keys()
    return {name if name in known else _renamed(name): value for name, value in tensors.items()}


def _renamed(name: str) -> str:
    return ".".join(_RENAMED.get(part, part) for part in name.split("."))


def read_card(note: Path) -> dict[str, Any]:
    """The JSON card of a saved model.

    Raises:
        ValueError: it is no card, or of another format.
    """
    card = read_json(note)
    config = card.get("config") if isinstance(card, dict) else None
    if not isinstance(config, dict) or not isinstance(config.get("name"), str):
        raise ValueError(f"{note} lacks the model's `config` with its `name`")
    if card.get("format") != FORMAT:
        raise ValueError(f"{note} has format {card.get('format')!r}; this version reads {FORMAT}")
    return card

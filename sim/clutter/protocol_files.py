"""Published protocols by name: `configs/protocol/*.yaml`, or a file of one's own.

A file says how scenes, cameras, noise, attempts and the end of a round are; what was published
under that protocol, with sources; and what of it cannot be reproduced here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equigrasp.perception.camera import Intrinsics
from sim.clutter.protocol import EvalSettings

FOLDER = Path(__file__).parents[2] / "configs" / "protocol"
REQUIRED = ("description", "camera", "view", "views", "noise", "scenes", "rounds", "seeds")
OPTIONAL = (
    "num_objects",
    "physics",
    "finger_friction",
    "trial",
    "max_failures",
    "thresholds",
    "published",
    "cannot_reproduce",
)
FIGURES = ("method", "scene", "view", "gsr", "dr", "source")


@dataclass(frozen=True)
class Published:
    """A published result.

    Attributes:
        method: whose.
        scene: kind of scene; the source's word for it where no scene here is of that kind.
        view: name of the protocol's view; None if it was taken with any.
        gsr, dr: mean and standard deviation in percent; None where it was not published.
        source: where it was published.
    """

    method: str
    scene: str
    view: str | None
    gsr: tuple[float, float | None]
    dr: tuple[float, float | None]
    source: str


@dataclass(frozen=True)
class Protocol:
    """A published protocol.

    Attributes:
        name: of the file.
        description: a sentence.
        view: the view it is published with.
        views: ranges by name, see `sim.clutter.viewpoints.Viewpoint`.
        scenes: scale ranges by kind of scene.
        rounds, seeds: how many of each.
        common: fields of `EvalSettings` that scene and view do not change.
        published: results.
        cannot_reproduce: sentences on what differs here.
    """

    name: str
    description: str
    view: str
    views: Mapping[str, Mapping[str, Any]]
    scenes: Mapping[str, tuple[float, float]]
    rounds: int
    seeds: int
    common: Mapping[str, Any]
    published: tuple[Published, ...]
    cannot_reproduce: tuple[str, ...]

    def settings(self, scene: str, view: str | None = None) -> dict[str, Any]:
        """Fields of `EvalSettings` for a kind of scene and a view (None: the published one).

        Raises:
            ValueError: the protocol has no such scene or view.
        """
        view = view or self.view
        for name, value, known in (("scene", scene, self.scenes), ("view", view, self.views)):
            if value not in known:
                raise ValueError(
                    f"the protocol '{self.name}' has no {name} '{value}'; it has {', '.join(known)}"
                )
        chosen = {"scene": scene, "view": view, "viewpoint": dict(self.views[view])}
        scales = {"scales": list(self.scenes[scene])}
        return {"protocol": self.name, **chosen, **scales, **self.common}

    def results(self, scene: str, view: str) -> list[Published]:
        """What was published for a kind of scene and a view, and what belongs to no scene here."""
        return [
            row
            for row in self.published
            if (row.scene == scene and row.view in (None, view)) or row.scene not in self.scenes
        ]


def protocol_names() -> list[str]:
    """Names of the protocols that come with the project."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_protocol(name_or_path: str) -> Protocol:
    """A protocol by name, or from a YAML file.

    Raises:
        ValueError: there is none of that name, or the file says something that cannot be used; the
            message names the key.
    """
    import yaml

    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        path = FOLDER / f"{name_or_path}.yaml"
    if not path.is_file():
        raise ValueError(
            f"no protocol is called '{name_or_path}'; give one of {', '.join(protocol_names())}, "
            "or a YAML file"
        )
    try:
        values = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {error}") from error
    try:
        return _protocol(path.stem, values)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error


def _protocol(name: str, values: Any) -> Protocol:
    _check_keys("the protocol", values, REQUIRED, OPTIONAL)
    _check_keys("noise", values["noise"], ("kind",), ("sigma",))
    common = {
        "intrinsics": Intrinsics.from_dict(values["camera"]).to_dict(),
        "noise": values["noise"]["kind"],
        "noise_sigma": values["noise"].get("sigma"),
        "detection": values.get("thresholds", {}),
    }
    common |= {k: values[k] for k in OPTIONAL[:5] if k in values}
    scenes: dict[str, tuple[float, float]] = {}
    for scene, entry in values["scenes"].items():
        _check_keys(f"scenes.{scene}", entry, ("scales",))
        scenes[scene] = tuple(entry["scales"])
    protocol = Protocol(
        name=name,
        description=str(values["description"]),
        view=values["view"],
        views=values["views"],
        scenes=scenes,
        rounds=int(values["rounds"]),
        seeds=int(values["seeds"]),
        common=common,
        published=tuple(_published(i, row) for i, row in enumerate(values.get("published", []))),
        cannot_reproduce=tuple(values.get("cannot_reproduce", [])),
    )
    for scene in scenes:  # settings check what they are given
        for view in protocol.views:
            EvalSettings(**protocol.settings(scene, view))
    protocol.settings(next(iter(scenes)))
    return protocol


def _published(number: int, row: Any) -> Published:
    where = f"published[{number}]"
    _check_keys(where, row, ("method", "scene", "source"), FIGURES)
    rates = {}
    for rate in ("gsr", "dr"):
        value = row.get(rate)
        pair = [None, None] if value is None else value if isinstance(value, list) else [value]
        mean, std = (*pair, None)[:2]
        if value is not None and not 0 <= mean <= 100:
            raise ValueError(f"{where}.{rate} is {value}; give percent, or [mean, deviation]")
        rates[rate] = (mean, std)
    return Published(row["method"], row["scene"], row.get("view"), source=row["source"], **rates)


def _check_keys(
    where: str, values: Any, required: Iterable[str], optional: Iterable[str] = ()
) -> None:
    if not isinstance(values, Mapping):
        raise ValueError(f"{where} is {values!r}; give keys and values")
    known = {*required, *optional}
    for key in values:
        if key not in known:
            raise ValueError(f"{where} has no '{key}'; it has {', '.join(sorted(known))}")
    for key in required:
        if key not in values:
            raise ValueError(f"{where} lacks '{key}'")

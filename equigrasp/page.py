"""A page of HTML that needs nothing beside it: headings, tables, pictures inside the file."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem;
       color: #1b1f24; background: #fff; }
h1, h2, h3 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #d0d7de; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { border: 1px solid #d0d7de; padding: .25rem .6rem; text-align: left; }
th { background: #f6f8fa; } img { max-width: 100%; } .wide { overflow-x: auto; }
details { margin: 1rem 0; } summary { cursor: pointer; font-weight: 600; }
"""


class Page:
    """What is added comes one below the other.

    Args:
        title: of the page.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._parts: list[str] = []

    def heading(self, text: str, level: int = 2) -> None:
        """A heading; 2 for a part, 3 for a part of it."""
        self._parts.append(f"<h{level}>{html.escape(text)}</h{level}>")

    def text(self, text: str) -> None:
        """A paragraph."""
        self._parts.append(f"<p>{html.escape(text)}</p>")

    def table(
        self, head: Sequence[str], rows: Sequence[Sequence[Any]], *, folded: str = ""
    ) -> None:
        """A table; `folded` is the line behind which it is hidden at first."""
        cells = "".join(f"<th>{html.escape(str(name))}</th>" for name in head)
        lines = [f"<tr>{cells}</tr>"]
        for row in rows:
            cells = "".join(f"<td>{html.escape(_shown(value))}</td>" for value in row)
            lines.append(f"<tr>{cells}</tr>")
        table = f'<div class="wide"><table>{"".join(lines)}</table></div>'
        if folded:
            table = f"<details><summary>{html.escape(folded)}</summary>{table}</details>"
        self._parts.append(table)

    def settings(self, values: Mapping[str, Any], folded: str) -> None:
        """A folded table of nested settings, a line for each."""
        self.table(("setting", "value"), list(flat(values).items()), folded=folded)

    def figure(self, figure: Figure, about: str) -> None:
        """A drawing, with what it shows in words."""
        buffer = io.BytesIO()
        figure.savefig(buffer, dpi=100, format="png", bbox_inches="tight")
        self._image(buffer.getvalue(), about)

    def picture(self, path: Path, about: str) -> None:
        """A PNG file, with what it shows in words."""
        self._image(path.read_bytes(), about)

    def _image(self, data: bytes, about: str) -> None:
        source = "data:image/png;base64," + base64.b64encode(data).decode()
        self._parts.append(f'<p><img alt="{html.escape(about, quote=True)}" src="{source}"></p>')

    def html(self) -> str:
        """The whole page."""
        title = html.escape(self.title)
        return (
            f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>'
            f"<body><h1>{title}</h1>\n" + "\n".join(self._parts) + "\n</body></html>\n"
        )


def flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested settings as one level, names joined by dots."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{before}{name}.")
        else:
            found[f"{before}{name}"] = value
    return found


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)

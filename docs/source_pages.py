"""Pages of the site for what documents link to outside `docs`: sources, results, settings.

A hook of MkDocs (`hooks` of mkdocs.yml). On the site a link to `../equigrasp/hand.py` leads to a
page that shows the file, one to a folder to a list of it, one to a picture to the picture. Pages
that are made so may link on; what they need comes along.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
DOCS, PLACE = "docs", "sources"
"""Where documents lie in the repository, and pages of other files on the site."""
LINK = re.compile(r"\]\(([^)\s#]+)(#[^)\s]*)?\)")
LANGUAGES = {
    ".py": "python",
    ".sh": "bash",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".json": "json",
    ".toml": "toml",
    ".cff": "yaml",
}
"""Of files that are shown as they are, by suffix; others are pages or are copied."""


def on_files(files: Files, config: Any) -> Files:
    """Add a page, or a copy, for each thing that a document links to."""
    from mkdocs.structure.files import File

    todo = [target for page in files.documentation_pages() for target in _outside(page)]
    known: set[str] = set()
    while todo:
        if (path := todo.pop()) in known:
            continue
        known.add(path)
        if (text := page_text(path)) is None:
            made = File.generated(config, place(path), abs_src_path=str(ROOT / path))
        else:
            made = File.generated(config, place(path), content=text)
        files.append(made)
        todo += _outside(made) if made.is_documentation_page() else []
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """The same text with links as they lead on the site."""
    here = page.file.src_uri

    def moved(match: re.Match[str]) -> str:
        target = _target(here, match[1])
        if target is None:
            return match[0]
        away = os.path.relpath(place(target), PurePosixPath(here).parent)
        return f"]({away}{match[2] or ''})"

    return LINK.sub(moved, markdown)


def place(path: str) -> str:
    """Where a file or folder of the repository lies on the site, before MkDocs renders it.

    Args:
        path: from the root of the repository.
    """
    if path.startswith(f"{DOCS}/"):
        return path.removeprefix(f"{DOCS}/")
    if (ROOT / path).is_dir():
        return f"{PLACE}/{path}/index.md"
    return f"{PLACE}/{path}.md" if Path(path).suffix in LANGUAGES else f"{PLACE}/{path}"


def page_text(path: str) -> str | None:
    """Markdown that shows a file or folder of the repository; None for what is copied."""
    full = ROOT / path
    if full.is_dir():
        names = sorted(each.name for each in full.iterdir() if not each.name.startswith((".", "_")))
        return "\n".join([f"# {path}\n", *(f"- [{name}]({name})" for name in names), ""])
    if full.suffix == ".md":
        return full.read_text(encoding="utf-8")
    if full.suffix not in LANGUAGES:
        return None
    fence, text = "`" * 6, full.read_text(encoding="utf-8")
    head = f"---\nsearch:\n  exclude: true\n---\n# {path}\n\n"
    return f"{head}{fence}{LANGUAGES[full.suffix]}\n{text}\n{fence}\n"


def _outside(page: File) -> Iterator[str]:
    """Paths outside `docs` that a page links to."""
    for match in LINK.finditer(page.content_string):
        target = _target(page.src_uri, match[1])
        if target is not None and not target.startswith(f"{DOCS}/"):
            yield target


def _target(here: str, link: str) -> str | None:
    """What a link of a page means, from the root of the repository; None if that is no file."""
    if "://" in link:
        return None
    inside = here.startswith(f"{PLACE}/")
    home = here.removeprefix(f"{PLACE}/") if inside else f"{DOCS}/{here}"
    path = os.path.normpath(PurePosixPath(home).parent / link)
    return path if not path.startswith("..") and (ROOT / path).exists() else None

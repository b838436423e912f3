"""The site of the documents builds without a warning, and its pictures are what the code draws."""

import importlib.util
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
import torch

from equigrasp.grasp import CONVENTIONS
from equigrasp.perception.camera import DEFAULT_INTRINSICS, fixed_view
from equigrasp.perception.tsdf import fuse_tsdf
from equigrasp.self_test import fixed_depth
from equigrasp.testing import turn_grid
from equigrasp.weights import load_model

ROOT = Path(__file__).parents[2]


def program(name):
    """A program of `docs` as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Page(HTMLParser):
    """Where a page leads, and the places in it that others can lead to."""

    def __init__(self, path):
        super().__init__()
        self.links, self.places = [], {""}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.places |= {found[name] for name in ("id", "name") if found.get(name)}
        self.links += [found[name] for name in ("href", "src") if found.get(name)]


def dead_links(site):
    """Links of a site that lead to no page, no file or no place in a page."""
    pages, dead = {path: Page(path) for path in site.rglob("*.html")}, []
    for path, page in pages.items():
        if path.name == "404.html":  # its links are those of the server
            continue
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            other = pages.get(target)
            if not target.is_file() or (other and unquote(parts.fragment) not in other.places):
                dead.append(f"{path.relative_to(site)}: {link}")
    return dead


def test_the_site_builds_strictly_and_every_link_leads_somewhere(tmp_path):
    pytest.importorskip("mkdocs", reason="pip install 'equigrasp[docs]'")
    pytest.importorskip("mkdocstrings", reason="pip install 'equigrasp[docs]'")
    line = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "reference" / "index.html").read_text(encoding="utf-8")
    assert "Grasps for one scene seen in one or several depth images" in page
    assert "equigrasp.serving.client.PlannerClient" in page
    assert (tmp_path / "pictures" / "symmetry.png").is_file()
    shown = (tmp_path / "sources/equigrasp/data/scene_files.py/index.html").read_text("utf-8")
    assert "SCHEMA" in shown
    assert (tmp_path / "sources/configs/protocol/index.html").is_file()
    assert dead_links(tmp_path) == []


def test_dead_links_are_found(tmp_path):
    (tmp_path / "a.html").write_text('<a href="b/">1</a><a href="b/#x">2</a><a href="c/">3</a>')
    (tmp_path / "b").mkdir()
    (tmp_path / "b/index.html").write_text('<h1 id="y">b</h1><a href="../a.html">4</a>')
    assert dead_links(tmp_path) == ["a.html: b/#x", "a.html: c/"]


def test_every_convention_has_a_picture():
    figure = program("draw_frames").draw()
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == list(CONVENTIONS)


def test_the_picture_of_the_symmetry_tells_what_is_exact_from_what_is_not():
    drawn = program("draw_symmetry")
    tsdf = fuse_tsdf(torch.as_tensor(fixed_depth()), DEFAULT_INTRINSICS, fixed_view())
    apart = {}
    for name in ("equigiga_pile", "giga_pile"):
        model = load_model(name)
        apart[name] = drawn.farthest(*(drawn.maps(model, turn_grid(tsdf, t)) for t in (0, 1)))
    surface = "surface from above"
    assert all(each.pop(surface) == 0 for each in apart.values())
    assert max(apart["equigiga_pile"].values()) < 1e-5
    assert min(apart["giga_pile"].values()) > 1e-2
    figure = drawn.draw(load_model("equigiga_pile"), tsdf)
    assert len(figure.axes) == 2 * 5
    assert np.isfinite(list(apart["giga_pile"].values())).all()

"""Rules of the house that no single module can check for itself."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = {"equigrasp": {"sim", "data_gen"}, "sim": {"data_gen"}}
"""Package -> packages above it, which it may not import."""
SOURCES = [
    path
    for folder in ("equigrasp", "sim", "data_gen", "benchmarks", "examples", "scripts")
    for path in sorted((ROOT / folder).rglob("*.py"))
]


def imported_packages(tree: ast.AST) -> set[str]:
    """Top-level names of everything a module imports, lazily or not."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def unsafe_arguments(tree: ast.AST) -> list[str]:
    """Keyword arguments that let a file run code when it is read."""
    unsafe = {("allow_pickle", True), ("weights_only", False)}
    return [
        f"{keyword.arg}={keyword.value.value}, line {node.lineno}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if isinstance(keyword.value, ast.Constant) and (keyword.arg, keyword.value.value) in unsafe
    ]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_keeps_the_rules(path):
    tree = ast.parse(path.read_text())
    package = path.relative_to(ROOT).parts[0]
    imports = imported_packages(tree)
    assert not imports & FLOORS.get(package, set()), "imports run downwards only"
    if path != ROOT / "equigrasp" / "nn" / "steerable.py":
        assert "escnn" not in imports, "escnn is imported in nn/steerable.py alone"
    if package == "equigrasp":
        assert "pybullet" not in imports
    assert not unsafe_arguments(tree)


def test_the_checks_can_fail():
    tree = ast.parse(
        "import sim.scene.world\ndef f():\n    from escnn import nn\n    load(x, allow_pickle=True)"
    )
    assert imported_packages(tree) == {"sim", "escnn"}
    assert unsafe_arguments(tree) == ["allow_pickle=True, line 4"]


@pytest.mark.parametrize(
    ("modules", "forbidden"),
    [
        ("equigrasp", {"torch", "escnn", "e2cnn", "pybullet", "open3d", "scipy"}),
        ("equigrasp.planner, equigrasp.weights", {"escnn", "e2cnn", "pybullet", "open3d"}),
        ("data_gen.command, sim.workers.run", {"pybullet"}),
        ("sim.clutter_eval", {"pybullet"}),
    ],
)
def test_imports_stay_light(modules, forbidden):
    code = f"import sys, {modules}; print(*sorted(set(sys.modules) & {forbidden!r}))"
    finished = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, cwd=ROOT
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.split() == []

"""Rules of the house that no single module can check for itself.

Which file may import which stands in `benchmarks/shared/floors.py`.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.shared.floors import FLOORS, entry_of, homeless, house_sources, upward
from equigrasp.imports import Source, all_imports, circles

ROOT = Path(__file__).parents[1]
MOST_LINES = 300
"""Of a file, tests included."""
SOURCES = house_sources(ROOT)


@pytest.fixture(scope="module")
def imports():
    return all_imports(SOURCES)


def wrong(imports):
    """Lines that a person can act on: circles, and imports upwards."""
    rings = [f"circle: {', '.join(ring)}" for ring in circles(imports)]
    return rings + [
        f"{up.importer}, line {up.line}, imports {up.target} ({up.how}), which stands above it"
        for up in upward(imports, SOURCES)
    ]


def test_every_module_has_a_place_in_the_table_and_every_place_is_taken():
    assert homeless(SOURCES) == []
    taken = {entry_of(name, source)[1] for name, source in SOURCES.items()}
    assert taken == {entry for line in FLOORS for entry in line.split()}


def test_imports_run_downwards_and_never_in_a_circle(imports):
    assert wrong(imports) == []


def test_no_file_is_too_long_to_read():
    lengths = {name: source.text.count("\n") for name, source in SOURCES.items()}
    tests = (ROOT / "tests").rglob("*.py")
    lengths |= {str(p.relative_to(ROOT)): p.read_text().count("\n") for p in tests}
    assert {name: n for name, n in lengths.items() if n > MOST_LINES} == {}


def external_packages(tree: ast.AST) -> set[str]:
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


TWO_LEVEL = (
    "equigrasp.diffusion",
    "equigrasp.models",
    "equigrasp.nn",
    "equigrasp.policy",
    "equigrasp.testing",
    "equigrasp.training",
    "benchmarks",
)
"""Packages through which two-level batches go."""
REPETITION = {
    "equigrasp.diffusion.batch": "the core",
    "equigrasp.nn.deform": "taps of a kernel",
    "equigrasp.nn.fields": "channels of an orbit",
    "equigrasp.nn.steerable": "coefficients of kernels",
}
"""Modules that may repeat or flatten, and what."""


def own_repetitions(tree: ast.AST) -> list[str]:
    """Calls that repeat something, or join or part the two leading axes, by hand."""
    repeating = {"repeat", "repeat_interleave", "expand", "expand_as", "tile"}
    leading = {"flatten": ["0", "1"], "unflatten": ["0"]}
    found = []
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        name, owner = node.func.attr, ast.unparse(node.func.value)
        given = [ast.unparse(a) for a in (*node.args, *(k.value for k in node.keywords))]
        if owner == "torch":
            given = given[1:]
        wanted = leading.get(name)
        if (name in repeating and owner != "itertools") or (
            wanted and given[: len(wanted)] == wanted
        ):
            found.append(f"{name}, line {node.lineno}")
    return found


def test_samples_are_repeated_and_flattened_by_the_core_alone():
    wrong = {
        name: found
        for name, source in SOURCES.items()
        if name.startswith(TWO_LEVEL) and name not in REPETITION
        if (found := own_repetitions(ast.parse(source.text)))
    }
    assert wrong == {}


@pytest.mark.parametrize(
    "text",
    [
        "x.repeat_interleave(4, 0)",
        "torch.repeat_interleave(x, 4, 0)",
        "x.unsqueeze(1).expand(-1, 3, -1)",
        "x.expand_as(y)",
        "x.repeat(1, 3)",
        "x.flatten(0, 1)",
        "torch.flatten(x, 0, 1)",
        "x.flatten(start_dim=0, end_dim=1)",
        "x.unflatten(0, (b, m))",
    ],
)
def test_the_check_of_repetitions_can_fail(text):
    assert len(own_repetitions(ast.parse(text))) == 1
    assert own_repetitions(ast.parse("x.flatten(1, 2), x.unflatten(-1, (3, 2))")) == []


@pytest.mark.parametrize("name", SOURCES)
def test_module_keeps_the_rules(name):
    tree = ast.parse(SOURCES[name].text)
    packages = external_packages(tree)
    if name != "equigrasp.nn.kernel_basis":  # which equigrasp.testing.witness asks both about
        assert not {"escnn", "e2cnn"} & packages, "escnn is imported in nn/kernel_basis.py alone"
    if name.startswith("equigrasp"):
        assert not {"pybullet", "mujoco"} & packages
    assert not unsafe_arguments(tree)


def test_the_checks_of_packages_and_arguments_can_fail():
    tree = ast.parse(
        "import sim.scene.world\ndef f():\n    from escnn import nn\n    load(x, allow_pickle=True)"
    )
    assert external_packages(tree) == {"sim", "escnn"}
    assert unsafe_arguments(tree) == ["allow_pickle=True, line 4"]


@pytest.mark.parametrize(
    "hidden",
    [
        "import sim.scene.world",
        "def f():\n    from sim.scene import world",
        "if TYPE_CHECKING:\n    from sim.scene.world import World",
        "import importlib\nimportlib.import_module('sim.scene.world')",
        "__import__('sim.scene.world')",
        "FUNCTION = 'sim.scene.world:World'",
        "HOMES = {'World': 'sim.scene.world'}",
        "import importlib\ndef f(name):\n    return importlib.import_module(f'sim.scene.{name}')",
        "import sim.scene\nfrom equigrasp.discovery import found_classes\n"
        "found_classes(sim.scene, object)",
        "from sim import scene\nfrom equigrasp.discovery import found_classes\n"
        "found_classes(scene, object)",
    ],
)
def test_the_check_of_floors_can_fail(hidden):
    """However it is written: the ground floor knows nothing of the simulator."""
    sources = {**SOURCES, "equigrasp.grasp": Source(hidden)}
    found = upward(all_imports(sources), sources)
    assert {(i.importer, i.target) for i in found} >= {("equigrasp.grasp", "sim.scene.world")}


def test_a_neighbour_on_the_same_floor_is_not_below():
    sources = {**SOURCES, "equigrasp.grasp": Source("import equigrasp.perception.camera")}
    assert (
        entry_of("equigrasp.grasp", sources["equigrasp.grasp"])[0]
        == (entry_of("equigrasp.perception.camera", sources["equigrasp.perception.camera"])[0])
    )
    assert any(i.importer == "equigrasp.grasp" for i in upward(all_imports(sources), sources))


def test_the_check_of_homes_can_fail():
    assert homeless({"equigrasp.somewhere": Source("")}) == ["equigrasp.somewhere"]
    assert homeless(SOURCES, FLOORS[1:]) != []


@pytest.mark.parametrize(
    "back",
    [
        "from equigrasp.planner import GraspPlanner",
        "def later():\n    import equigrasp.planner",
        "if TYPE_CHECKING:\n    import equigrasp.planner",
        "HOME = 'equigrasp.planner'",
    ],
)
def test_the_check_of_circles_can_fail(back):
    sources = {**SOURCES, "equigrasp.detection": Source(back)}
    rings = circles(all_imports(sources))
    assert any({"equigrasp.detection", "equigrasp.planner"} <= set(ring) for ring in rings)


@pytest.mark.parametrize(
    ("modules", "forbidden"),
    [
        ("equigrasp", {"torch", "escnn", "e2cnn", "pybullet", "open3d", "scipy"}),
        ("equigrasp.planner, equigrasp.weights", {"escnn", "e2cnn", "pybullet", "open3d"}),
        ("data_gen.command, sim.workers.run", {"pybullet", "mujoco"}),
        ("sim.clutter_eval", {"pybullet", "mujoco"}),
    ],
)
def test_imports_stay_light(modules, forbidden):
    code = f"import sys, {modules}; print(*sorted(set(sys.modules) & {forbidden!r}))"
    finished = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, cwd=ROOT
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.split() == []

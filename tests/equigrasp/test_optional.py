"""Extras: the table, `pyproject.toml` and what modules import say the same."""

import ast
import sys
from pathlib import Path

import pytest

from benchmarks.shared.floors import house_sources
from equigrasp.optional import EXTRAS, explained, extra_of, remedy, require, require_extra

SIMULATORS = ("mujoco", "pybullet", "skimage")  # of which there may be none
tomllib = pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")
ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MODULES = {
    "hydra-core": "hydra",
    "pillow": "PIL",
    "PyMCubes": "mcubes",
    "scikit-image": "skimage",
    "PyYAML": "yaml",
    "rerun-sdk": "rerun",
}
"""Modules that are not called as the package that brings them is."""
BROUGHT = {"omegaconf"}
"""Modules that come with another of the same extra."""
TESTS = {
    "coverage",
    "hypothesis",
    "onnxruntime",
    "pytest",
    "pytest_timeout",
    "pytest_xdist",
    "ruff",
    "twine",
}
UNLISTED = {"rlbench", "pyrep"}
"""Modules that no index has."""


def modules(requirements):
    names = [text.split(";")[0].split(">")[0].split("=")[0].split("<")[0] for text in requirements]
    return {MODULES.get(name, name.replace("-", "_")) for name in names if "[" not in name}


BASE = modules(PROJECT["dependencies"])


def imported(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "require":
            first = node.args[0]
            if isinstance(first, ast.Constant):  # else it is the `require` of contracts
                yield first.value.split(".")[0]


USED = {name: set(imported(source.text)) for name, source in house_sources(ROOT).items()}


def test_the_table_says_what_the_project_file_says():
    declared = PROJECT["optional-dependencies"]
    for extra, names in EXTRAS.items():
        assert modules(declared[extra]) - {"numpy"} == set(names) - BROUGHT
    assert set(declared) == {*EXTRAS, "all", "dev", "docs"}
    assert modules(declared["dev"]) - {"embreex", "mcubes", "setuptools"} == TESTS


def test_everything_imported_is_declared_and_everything_declared_is_imported():
    own = {"equigrasp", "sim", "data_gen", "benchmarks", "examples", "setuptools"}
    own |= {"broken_inputs"}  # of the tests, which benchmarks/endurance.py counts
    optional = {name for names in EXTRAS.values() for name in names}
    foreign = set().union(*USED.values()) - sys.stdlib_module_names - own
    foreign -= {"mpl_toolkits", "typing_extensions", "pybullet_data", "pybullet_utils"}
    foreign -= {name.split(".")[-1] for name in USED}  # what lies in a script's own folder
    site = {name for name, used in USED.items() if "mkdocs" in used}  # mkdocs-material brings it
    assert site <= {"docs.source_pages"}
    assert "mkdocs_material" in modules(PROJECT["optional-dependencies"]["docs"])
    assert foreign - {"mkdocs"} <= BASE | optional | TESTS | UNLISTED
    through_others = {"e2cnn", "lie_learn", "onnx", "tensorboard", "tqdm"}
    assert optional - through_others <= set().union(*USED.values())


def test_what_plans_imports_nothing_optional_at_its_top():
    for name in ("equigrasp.planner", "equigrasp.weights", "equigrasp.search", "equigrasp.hand"):
        assert not {extra_of(each) for each in USED[name]} - {None}


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("viser", "pip install 'equigrasp[view]'"),
        ("mcubes", "pip install 'equigrasp[view]'"),
        ("hydra", "pip install 'equigrasp[train]'"),
        ("open3d", "pip install 'equigrasp[sim]'"),
        ("e2cnn", "pip install --no-deps escnn==1.0.11"),
        ("something", "pip install something"),
    ],
)
def test_a_missing_module_is_named_with_its_line(module, line, monkeypatch):
    assert line in remedy(module)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match="drawing needs") as told:
        require(module, "drawing")
    assert line in str(told.value)
    assert told.value.name == module.split(".")[0]


def test_pybullet_is_not_promised_where_it_has_no_wheel():
    assert remedy("pybullet", python=(3, 11)) == "pip install 'equigrasp[sim]'"
    assert "3.10 or 3.11" in remedy("pybullet", python=(3, 13))


def test_mcubes_is_not_promised_where_it_has_no_wheel():
    assert remedy("mcubes", python=(3, 12)) == "pip install 'equigrasp[view]'"
    assert "C++ compiler" in remedy("mcubes", python=(3, 13))


def test_a_broken_module_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "viser.py").write_text("raise ImportError('libwhat.so is missing')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "viser", raising=False)
    with pytest.raises(ImportError, match=r"cannot be imported \(libwhat.so is missing\)"):
        require("viser", "the viewer")


def test_all_that_an_extra_lacks_is_named_at_once(monkeypatch):
    for name in ("coacd", "open3d"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"needs coacd and open3d: .*equigrasp\[sim\]"):
        require_extra("sim", "simulation", but=SIMULATORS)
    require_extra("sim", "simulation", but=(*SIMULATORS, "coacd", "open3d"))


def test_pythons_own_message_gets_the_line():
    error = ModuleNotFoundError("No module named 'trimesh'", name="trimesh")
    assert explained(error) == "No module named 'trimesh': pip install 'equigrasp[view]'"
    assert explained(ImportError("odd")) == "odd"

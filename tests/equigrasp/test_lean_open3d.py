"""Open3D is whole but for a web framework, which comes when it is asked for."""

import subprocess
import sys

PROGRAM = """
import sys
from equigrasp.lean_open3d import load_open3d
open3d = load_open3d()
assert load_open3d() is open3d is sys.modules["open3d"]
print("dash" in sys.modules, "plotly" in sys.modules)
box = open3d.geometry.TriangleMesh.create_box()
figure = open3d.visualization.get_plotly_fig([box])
print("dash" in sys.modules, type(figure).__name__, len(figure.data) > 0)
from open3d.visualization.draw_plotly import draw_plotly
print(draw_plotly.__module__)
"""


def test_dash_is_imported_when_something_is_drawn_with_it():
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert told[0] == "False False"
    assert told[1:] == ["True Figure True", "open3d.visualization.draw_plotly"]


def test_what_was_imported_before_is_left_alone():
    program = (
        "import sys, open3d\n"
        "from equigrasp.lean_open3d import load_open3d\n"
        "print(load_open3d() is open3d, 'dash' in sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == ["True", "True"]

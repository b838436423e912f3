"""Whose weights play a kind of scene where the command names none, and what egad asks of scenes."""

import pytest

from equigrasp.weights import shipped_names
from sim.clutter.default_model import default_model
from sim.clutter.protocol import EvalSettings
from sim.clutter.protocol_files import load_protocol
from sim.scene.kinds import find_kind, scene_kinds


@pytest.mark.parametrize("kind", scene_kinds())
def test_every_kind_has_weights_that_play_it(kind, capsys):
    model = default_model(kind)
    assert model in shipped_names()
    told = capsys.readouterr().err
    assert (model == f"equiigd_{kind}") == (told == "")
    assert model == f"equiigd_{find_kind(kind).trained_as}"


def test_adversarial_scenes_are_played_zero_shot_and_say_so(capsys):
    assert default_model("adversarial") == "equiigd_pile"
    assert "equiigd_pile plays them" in capsys.readouterr().err


def test_the_protocol_egad_plays_adversarial_scenes_and_quotes_the_robot():
    protocol = load_protocol("egad")
    settings = EvalSettings(**protocol.settings("adversarial"))
    assert settings.scales == list(find_kind("adversarial").scales)
    assert settings.physics == {"mass": [0.15, 0.15], "friction": [0.75, 0.75]}
    rates = {
        row.method: (row.gsr[0], row.dr[0]) for row in protocol.results("adversarial", "random")
    }
    assert rates["EquiGIGA"] == (85.6, 94.7)
    assert rates["EquiIGD"] == (88.1, 98.7)
    assert all("EVG Table III" in row.source for row in protocol.published)
    assert EvalSettings(**protocol.settings("pile")).scene == "pile"  # as it was before

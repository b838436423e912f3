import numpy as np
import pytest
from PIL import Image

from equigrasp.policy.episodes.files import find_episodes, write_episode
from equigrasp.policy.episodes.inspect import LABEL, inspect, main
from equigrasp.policy.episodes.synthetic import random_frames

SIZE, COUNT = 16, 4


@pytest.fixture
def root(tmp_path):
    for number, variation, words in ((0, 2, ["press it"]), (1, 3, ["press"]), (1, 2, ["a", "b"])):
        write_episode(
            tmp_path,
            "push_button",
            number,
            random_frames(number, COUNT, SIZE),
            variation=variation,
            descriptions=words,
            layout="variations",
        )
    return tmp_path


def test_a_sound_folder_is_counted(root, capsys):
    assert main([str(root), "--deep"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        *("task", "episodes", "variations", "frames", "keyframes", "sentences", "faults")
    ]
    assert lines[1].split() == ["push_button", "3", "2", "4-4", "(4)", "1-1", "(1)", "3", "0"]


def test_faults_are_listed_and_set_the_exit_status(root, capsys):
    torn = root / "push_button" / "variation3" / "episodes" / "episode1"
    (torn / "low_dim_obs.pkl").write_bytes(b"cos\nsystem\n.")
    (root / "push_button" / "variation2" / "episodes" / "episode0" / "wrist_rgb" / "0.png").unlink()
    assert main([str(root)]) == 1
    out = capsys.readouterr().out
    assert "os.system" in out
    assert "3 images where" in out
    (summary,) = inspect(root)
    assert (summary.episodes, len(summary.frames), len(summary.faults)) == (3, 2, 2)


def test_a_sheet_shows_the_keyframes_of_every_camera(root, tmp_path, capsys):
    sheet = tmp_path / "out" / "sheet.png"
    assert main([str(root), "--sheet", str(sheet), "--episode", "1"]) == 0
    image = np.asarray(Image.open(sheet))
    assert image.shape == (LABEL + 2 * (SIZE + LABEL), 5 * SIZE, 3)
    episode = find_episodes(root)[1]
    top = LABEL + (SIZE + LABEL) + LABEL
    shown = image[top : top + SIZE, 3 * SIZE : 4 * SIZE]
    np.testing.assert_array_equal(shown, episode.rgb("wrist", COUNT - 1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "no folder"),
        (["--task", "dance"], "dance"),
        (["--sheet", "x.png", "--episode", "7"], "there are 3"),
    ],
)
def test_what_is_not_there_is_named(root, arguments, message, capsys):
    given = arguments if arguments[0] == "nowhere" else [str(root), *arguments]
    assert main(given) == 1
    assert message in capsys.readouterr().err


def test_an_empty_folder_says_what_it_looked_for(tmp_path, capsys):
    assert main([str(tmp_path)]) == 1
    assert "variationV/episodes/episodeE" in capsys.readouterr().out

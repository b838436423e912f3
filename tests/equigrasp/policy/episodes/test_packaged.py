"""Packaged episodes, built here as 3D Diffuser Actor's script does, with PyTorch's own pickles."""

import pickle  # noqa: TID251 - the plain writer, and the attacker
import sys

import numpy as np
import pytest
import torch
from numcodecs import Blosc

from equigrasp.policy.episodes.packaged import main, read_packaged, unpack
from equigrasp.policy.episodes.rlbench_pickle import HostilePickleError

KEYFRAMES, CAMERAS, SIZE = 3, 2, 6
LENGTHS = (4, 1, 7)


def compressed(data):
    """Bytes as blosc packs them."""
    return Blosc().encode(data)


def parts(seed=0):
    """The six lists, and the images and points behind the second one."""
    generator = torch.Generator().manual_seed(seed)
    shape = (KEYFRAMES, CAMERAS, 3, SIZE, SIZE)
    rgb = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    points = torch.randn(shape, generator=generator)
    seen = torch.stack([2 * (rgb / 255.0 - 0.5), points], 2)
    actions = torch.randn(KEYFRAMES + 1, 1, 8, generator=generator)
    frames = list(range(KEYFRAMES))
    pixels = [{"front": (i, 2 * i)} for i in range(KEYFRAMES + 1)]
    paths = [torch.randn(n, 8, generator=generator) for n in LENGTHS]
    # rows of one tensor: their storage is larger than they are, and they begin inside of it
    made = [frames, seen.numpy(), [*actions[1:]], pixels, [*actions[:-1]], paths]
    return made, rgb, points, actions


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_everything_comes_back(protocol):
    made, rgb, points, actions = parts()
    found = unpack(pickle.dumps(made, protocol), "close_jar", 15, 4)
    assert (found.task, found.variation, found.number) == ("close_jar", 15, 4)
    assert found.frames == [0, 1, 2]
    np.testing.assert_array_equal(found.rgb, rgb.movedim(2, -1))
    np.testing.assert_array_equal(found.points, points.movedim(2, -1))
    np.testing.assert_array_equal(found.targets, actions[1:, 0])
    np.testing.assert_array_equal(found.current, actions[:-1, 0])
    assert found.pixels[2] == {"front": (2, 4)}
    for path, meant in zip(found.paths, made[5], strict=True):
        np.testing.assert_array_equal(path, meant)


def test_tensors_of_any_kind_and_layout_are_rebuilt():
    made, *_ = parts()
    base = torch.arange(48.0, dtype=torch.float64).reshape(8, 6)
    layouts = [base.T[1:3], base.T[:0], torch.ones(1, 8).long(), base.half().T[2:3]]
    for layout in layouts:
        made[5] = [layout, layout, layout]
        found = unpack(pickle.dumps(made), "t", 0, 0).paths[1]
        np.testing.assert_array_equal(found, layout.reshape(-1, 8))


def test_paths_need_not_be_stored():
    made, *_ = parts()
    made[5] = []
    assert unpack(pickle.dumps(made), "t", 0, 0).paths == []


class Attack:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ((eval, ("1/0",)), r"builtins\.eval"),
        ((torch.hub.list, ("x",)), r"torch\.hub\.list"),
        ((torch.storage._load_from_bytes, (pickle.dumps(Attack(eval, ("1/0",))),)), "eval"),
    ],
)
def test_a_hostile_file_is_refused_by_name_and_nothing_is_called(call, name):
    made, *_ = parts()
    made[3] = [Attack(*call)]
    with pytest.raises(HostilePickleError, match=name):
        unpack(pickle.dumps(made), "t", 0, 0)


def torn_tensor(size, stride=(8, 1), offset=0):
    rebuild, (storage, *_) = torch.ones(1, 8).__reduce_ex__(2)
    return Attack(rebuild, (storage, offset, size, stride, False, {}))


@pytest.mark.parametrize(
    ("index", "value", "message"),
    [
        (1, np.zeros((3, 2, 2, 3, 6)), "images have shape"),
        (1, np.zeros((3, 2, 2, 3, 6, 6), np.uint8), "as real numbers"),
        (2, [torch.zeros(1, 8)], "1 targets for 3 keyframes"),
        (4, [torch.zeros(1, 7)], "they have 8 numbers"),
        (0, [0], "1 frames for 3 keyframes"),
        (5, [torn_tensor((2, 8))], "reaches to 15 of 8 numbers"),
        (5, [torn_tensor((1, 8), offset=1)], "reaches to 8 of 8 numbers"),
        (5, [torn_tensor((1, 8), (8, -1))], "stride"),
    ],
)
def test_what_is_no_episode_is_refused(index, value, message):
    made, *_ = parts()
    made[index] = value
    with pytest.raises(ValueError, match=message):
        unpack(pickle.dumps(made), "t", 0, 0)


def test_torn_bytes_are_told():
    data = pickle.dumps(parts()[0])
    for length in (0, 10, len(data) // 2, len(data) - 1):
        with pytest.raises(ValueError, match="torn"):
            unpack(data[:length], "t", 0, 0)
    with pytest.raises(ValueError, match="six lists"):
        unpack(pickle.dumps([1, 2]), "t", 0, 0)


def test_files_are_listed_and_their_names_tell_what_they_are(tmp_path, capsys):
    path = tmp_path / "close_jar+15" / "ep4.dat"
    path.parent.mkdir()
    path.write_bytes(compressed(pickle.dumps(parts()[0])))
    assert read_packaged(path).variation == 15
    assert main([str(path)]) == 0
    said = "close_jar+15 episode 4: 3 keyframes, 2 cameras of 6x6 pixels, paths of [4, 1, 7] frames"
    assert capsys.readouterr().out.strip() == said
    path.write_bytes(b"torn")
    assert main([str(path)]) == 1
    assert "ep4.dat: torn, or not compressed by blosc" in capsys.readouterr().err
    assert main([str(tmp_path / "x.dat")]) == 1
    assert "the name is not TASK+VARIATION" in capsys.readouterr().err
    assert main([str(path.with_name("ep5.dat"))]) == 1


def test_a_missing_compressor_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "numcodecs", None)
    with pytest.raises(ImportError, match="equigrasp.pusht"):
        read_packaged(tmp_path / "t+0" / "ep0.dat")

"""Checkpoints: exact round trip, atomic replacement, one clear error for a torn one."""

import copy

import pytest
import torch

from equigrasp.training import checkpoint as module
from equigrasp.training.checkpoint import (
    Checkpoint,
    CheckpointError,
    flatten_optimizer,
    load_checkpoint,
    restore_optimizer,
    save_checkpoint,
)


def _checkpoint(step, value=0.0):
    weights = {"w": torch.full((3,), value)}
    return Checkpoint(weights, weights, {"0.step": torch.tensor(2.0)}, {}, {"step": step})


def _train(model, optimizer, steps):
    generator = torch.Generator().manual_seed(steps)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(4, 3, generator=generator)).square().sum().backward()
        optimizer.step()


def test_optimizer_state_round_trips_bit_for_bit(tmp_path):
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0123, betas=(0.8, 0.95))
    _train(model, optimizer, 3)
    tensors, groups = flatten_optimizer(optimizer)
    state = {"step": 3, "optimizer_groups": groups}
    save_checkpoint(
        tmp_path, Checkpoint(model.state_dict(), {}, tensors, {}, state), tags=("last",)
    )
    twin = copy.deepcopy(model)
    _train(model, optimizer, 5)

    loaded = load_checkpoint(tmp_path / "last")
    twin.load_state_dict(loaded.model)
    other = torch.optim.AdamW(twin.parameters(), lr=1.0)
    restore_optimizer(other, loaded.optimizer, loaded.state["optimizer_groups"])
    assert other.param_groups[0]["betas"] == (0.8, 0.95)
    _train(twin, other, 5)
    assert torch.equal(twin.weight, model.weight)
    assert torch.equal(twin.bias, model.bias)


def test_links_move_and_unlinked_directories_go(tmp_path):
    save_checkpoint(tmp_path, _checkpoint(1, 1.0), tags=("last", "best"))
    save_checkpoint(tmp_path, _checkpoint(2, 2.0), tags=("last",))
    save_checkpoint(tmp_path, _checkpoint(3, 3.0), tags=("last",))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "best",
        "last",
        "step_00000001",
        "step_00000003",
    ]
    assert load_checkpoint(tmp_path / "best").state == {"step": 1}
    assert load_checkpoint(tmp_path / "last").model["w"][0] == 3.0


def test_remains_of_kills_go_with_the_next_save(tmp_path):
    save_checkpoint(tmp_path, _checkpoint(1), tags=("last",))
    (tmp_path / ".step_00000002.0a1b.tmp").mkdir()
    (tmp_path / ".last.0a1b.tmp").symlink_to("step_00000002")
    save_checkpoint(tmp_path, _checkpoint(3), tags=("last",))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last", "step_00000003"]


def save_killed_at(call, directory, monkeypatch):
    """A second save dies when it calls that function of `os`; the first one is still there."""

    def killed(source, target):
        raise KeyboardInterrupt

    save_checkpoint(directory, _checkpoint(1, 1.0), tags=("last",))
    with monkeypatch.context() as patch:
        patch.setattr(module.os, call, killed)
        with pytest.raises(KeyboardInterrupt):
            save_checkpoint(directory, _checkpoint(2, 2.0), tags=("last",))
    assert load_checkpoint(directory / "last").state == {"step": 1}


def test_a_kill_before_the_rename_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    save_killed_at("rename", tmp_path, monkeypatch)
    save_checkpoint(tmp_path, _checkpoint(2, 5.0), tags=("last",))
    assert load_checkpoint(tmp_path / "last").model["w"][0] == 5.0
    assert not list(tmp_path.glob("*.tmp"))


def test_a_kill_between_rename_and_link_is_mended_on_the_next_save(tmp_path, monkeypatch):
    save_killed_at("replace", tmp_path, monkeypatch)
    save_checkpoint(tmp_path, _checkpoint(2, 7.0), tags=("last",))
    assert load_checkpoint(tmp_path / "last").model["w"][0] == 7.0


@pytest.mark.parametrize("part", ["model.safetensors", "state.json"])
def test_torn_and_missing_parts_are_named(tmp_path, part):
    target = save_checkpoint(tmp_path, _checkpoint(1), tags=("last",))
    path = target / part
    path.write_bytes(path.read_bytes()[:10])
    with pytest.raises(CheckpointError, match="step_00000001|last"):
        load_checkpoint(tmp_path / "last")
    path.unlink()
    with pytest.raises(CheckpointError, match=part):
        load_checkpoint(tmp_path / "last")


def test_other_formats_are_refused(tmp_path):
    target = save_checkpoint(tmp_path, _checkpoint(1), tags=("last",))
    state = target / "state.json"
    state.write_text(state.read_text().replace('"format_version": 1', '"format_version": 99'))
    with pytest.raises(CheckpointError, match="format 1"):
        load_checkpoint(target)

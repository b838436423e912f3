"""Policies learn from episodes on disk, resume exactly, and act as they were saved."""

import json

import numpy as np
import pytest
import torch

from equigrasp.policy.agent import KeyframeAgent
from equigrasp.policy.episodes.synthetic import random_frames, write_synthetic_demonstrations
from equigrasp.policy.keyframes.synthetic import random_actions, random_observations
from equigrasp.policy.models.mini_diffuser import MiniDiffuser
from equigrasp.policy.nn.alike import ALIKE
from equigrasp.policy.nn.vocabulary import Vocabulary
from equigrasp.policy.saved import load_policy
from equigrasp.policy.training import build_policy, load_init, train_policy
from equigrasp.train import main_config
from equigrasp.training.run_log import read_records

CAMERAS = ["front", "wrist"]


TINY = {
    "mini_diffuser": {
        "_target_": "equigrasp.policy.models.mini_diffuser.MiniDiffuser",
        "widths": [24, 48],
        "channels": 24,
        "head_channels": 12,
        "patch": 16,
    },
    "diffuser_actor": {
        "_target_": "equigrasp.policy.models.diffuser_actor.DiffuserActor",
        "channels": 24,
        "head_channels": 12,
        "tokens": 8,
        "neighbours": 4,
        "scene_layers": 1,
        "trunk_layers": 1,
        "branch_layers": 1,
    },
}


def configuration(root, run_dir, model="mini_diffuser", **trainer):
    settings = {"max_steps": 6, "batch_size": 2, "warmup_steps": 2, "checkpoint_every": 3}
    settings |= {"validate_every": 3, "log_every": 1, "accelerator": "cpu", "progress": False}
    settings |= {"threads": 1, **trainer}
    return {
        "seed": 0,
        "run_dir": str(run_dir),
        "init": None,
        "model": TINY[model],
        "text": {"kind": "vocabulary"},
        "policy": {
            "samples": 4,
            "weights": None,
            "steps": 2,
            "candidates": 2,
        },
        "data": {
            "name": "demos",
            "root": str(root),
            "tasks": None,
            "episodes": None,
            "validation_episodes": 1,
            "val_fraction": 0.1,
            "cameras": CAMERAS,
            "cache": None,
            "cache_gb": 0.1,
            "cloud": {"low": [-9, -9, -9], "high": [9, 9, 9], "table_top": -9, "points": 64},
            "augmentation": {"yaw": 0.1, "jitter": 0.002, "drop": 0.1},
        },
        "trainer": settings,
    }


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demos")
    write_synthetic_demonstrations(folder, 3, cameras=CAMERAS)
    return folder


@pytest.fixture(scope="module", params=sorted(TINY))
def trained(request, root, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("policy") / "run"
    result = train_policy(configuration(root, run_dir, request.param))
    return request.param, run_dir, result


def losses(run_dir):
    return [(r["step"], r["loss"]) for r in read_records(run_dir / "metrics.jsonl", "train")]


def test_a_killed_run_ends_with_the_same_losses(trained, root, tmp_path):
    model, whole, _ = trained
    train_policy(configuration(root, tmp_path / "run", model, max_minutes=1e-9))  # a single step
    assert len(losses(tmp_path / "run")) == 1
    train_policy(configuration(root, tmp_path / "run", model))
    assert losses(tmp_path / "run") == losses(whole)


def test_the_card_tells_what_a_robot_needs(trained):
    model, run_dir, result = trained
    card = json.loads((run_dir / "model.json").read_text())
    assert card["config"]["name"] == model
    assert card["cameras"] == CAMERAS
    assert card["image_size"] == 8
    assert card["config"]["text"] == {"vocabulary": ["close", "it", "open"]}
    assert (card["train_episodes"], card["validation_episodes"]) == (4, 2)
    assert card["train_keyframes"] == 8
    assert set(card["validation"]) == set(result.best_metrics)
    assert {"correct", "near", "turned", "gripper", "correct/open"} <= set(card["validation"])


def test_a_saved_policy_acts_the_same_under_a_seed(trained):
    _, run_dir, _ = trained
    frame = random_frames(5, 1, 8, CAMERAS)[0]
    poses = []
    for seed in (0, 0, 1):
        agent = KeyframeAgent.load(run_dir, candidates=4, steps=3)
        agent.begin(seed)
        poses.append(agent.act(frame, "open it")[0])
    np.testing.assert_array_equal(poses[0], poses[1])
    assert not np.array_equal(poses[0], poses[2])
    np.testing.assert_allclose(poses[0][:3, :3] @ poses[0][:3, :3].T, np.eye(3), atol=1e-9)
    del frame.images["wrist"]
    with pytest.raises(ValueError, match="no image of camera 'wrist'"):
        agent.act(frame, "open it")


def test_an_agent_remembers_where_it_has_been_until_the_next_episode():
    torch.manual_seed(0)
    options = {k: v for k, v in TINY["mini_diffuser"].items() if k != "_target_"}
    policy = MiniDiffuser(Vocabulary(["it"]), **options, past=2).eval()
    policy.card = {"cameras": CAMERAS, "image_size": 8, "cloud": {"points": 32, "table_top": -9}}
    asked = []
    act = policy.act
    policy.act = lambda seen, **rest: asked.append(seen) or act(seen, **rest)
    agent = KeyframeAgent(policy, candidates=2, steps=2)
    frames = random_frames(5, 4, 8, CAMERAS)
    for frame in frames:
        agent.act(frame, "it")
    states = [np.append(f.state.gripper_pose, 1.0).astype(np.float32) for f in frames]
    assert [seen.past_mask[0].tolist() for seen in asked[:2]] == [[False] * 2, [True, False]]
    np.testing.assert_array_equal(asked[3].past[0], [states[2], states[1]])
    agent.begin(0)
    agent.act(frames[0], "it")
    assert not asked[-1].past_mask.any()


def test_a_policy_with_a_past_and_finer_clouds_trains_and_acts(root, tmp_path):
    wanted = configuration(root, tmp_path / "run", max_steps=2)
    wanted["model"] = {**wanted["model"], "past": 2}
    wanted["data"]["cloud"] |= {"near_points": 16, "near_radius": 0.3}
    train_policy(wanted)
    agent = KeyframeAgent.load(tmp_path / "run", candidates=2, steps=2)
    assert agent.settings.near_points == 16
    for frame in random_frames(5, 3, 8, CAMERAS):
        pose, _ = agent.act(frame, "open it")
        assert np.isfinite(pose).all()


def test_a_run_starts_from_a_saved_policy_and_learns_new_words(trained, root, tmp_path):
    model, run_dir, _ = trained
    saved = load_policy(run_dir)
    words = saved.text.vocabulary.with_words_of(["open a door", "close it"])
    assert words.words == ["close", "it", "open", "a", "door"]
    grown = build_policy(TINY[model], words, saved).state_dict()
    known = grown.pop("text.words.weight")[:5]  # padding, unknown, and three words
    expected = saved.state_dict()
    torch.testing.assert_close(known, expected.pop("text.words.weight"), rtol=0, atol=0)
    torch.testing.assert_close(grown, expected, rtol=0, atol=0)
    wanted = configuration(root, tmp_path / "run", model, max_steps=1, learning_rate=1e-9)
    train_policy({**wanted, "init": str(run_dir)})
    assert json.loads((tmp_path / "run" / "model.json").read_text())["init"] == str(run_dir)
    torch.testing.assert_close(load_policy(tmp_path / "run").state_dict(), saved.state_dict())
    with pytest.raises(ValueError, match="set the model options"):
        build_policy({**TINY[model], "noise_steps": 7}, Vocabulary(["it"]), saved)
    with pytest.raises(ValueError, match="sentences by vocabulary, but text.kind is 'clip'"):
        load_init(str(run_dir), {"kind": "clip", "path": "weights"})


def test_what_an_unknown_word_means_is_learned_where_there_are_some(trained, root, tmp_path):
    """Without such words its vector stays as it was drawn but for weight decay."""
    name, start, _ = trained
    config = configuration(root, tmp_path, name, max_steps=4) | {"init": str(start)}
    moved = {}
    for words in (0.0, 0.4):
        config["data"]["augmentation"]["words"] = words
        config["run_dir"] = str(tmp_path / f"{words}")
        train_policy(config)
        before, after = (load_policy(p).text.words.weight[1] for p in (start, config["run_dir"]))
        moved[words] = torch.cosine_similarity(before, after, dim=0).item()
    assert moved[0.0] == pytest.approx(1.0, abs=1e-6)
    assert moved[0.4] < 1 - 1e-6
    config["text"] = {"kind": "clip", "path": "weights"}
    with pytest.raises(ValueError, match=r"words is 0\.4, but text=clip knows all words"):
        train_policy(config)


def test_a_saved_policy_learns_to_remember(trained, root, tmp_path):
    model, run_dir, _ = trained
    saved, words = load_policy(run_dir), Vocabulary(["it", "open"])
    if model != "mini_diffuser":
        with pytest.raises(ValueError, match="no option"):
            build_policy({**TINY[model], "past": 2}, words, saved)
        return
    block = {**TINY[model], "past": 2, "between_bins": False}
    grown = build_policy(block, saved.text.vocabulary, saved)
    assert (grown.past.count, grown.between_bins, saved.between_bins) == (2, False, True)
    assert not any(tensor.any() for tensor in grown.past.read[2].state_dict().values())
    tensors = {**saved.state_dict(), **{f"past.{n}": t for n, t in grown.past.state_dict().items()}}
    name = "points.in_projection.0.weight"
    tensors[name] = torch.nn.functional.pad(tensors[name], (0, 2))
    torch.testing.assert_close(grown.state_dict(), tensors, rtol=0, atol=0)
    seen = random_observations(3, 20, dtype=torch.float32)
    elsewhere = seen._replace(past=seen.past.roll(1, 1))  # of the past nothing is said yet
    torch.testing.assert_close(grown.act(seen), grown.act(elsewhere))
    losses = grown.losses(seen, random_actions(dtype=torch.float32), 4, torch.Generator())
    sum(losses.values()).backward()
    learning = grown.points.in_projection[0].weight.grad[:, -2:], grown.past.read[2].weight.grad
    assert all(gradient.abs().max() > 0 for gradient in learning)
    wanted = configuration(root, tmp_path / "run", model, max_steps=3)
    wanted["model"] = {**wanted["model"], "past": 2}
    train_policy({**wanted, "init": str(run_dir)})
    learned = load_policy(tmp_path / "run")
    assert learned.past.read[2].weight.abs().max() > 0
    with pytest.raises(ValueError, match="may be learned later"):
        build_policy(TINY[model], words, learned)


def test_who_begins_on_other_observations_is_told(trained, root, tmp_path, caplog):
    model, run_dir, _ = trained
    same = configuration(root, tmp_path / "same", model, max_steps=1)
    train_policy({**same, "init": str(run_dir)})
    assert "learned from other" not in caplog.text
    other = configuration(root, tmp_path / "other", model, max_steps=1)
    other["data"]["cloud"] |= {"voxel": 0.3, "hand": "panda"}
    other["data"]["cameras"] = CAMERAS[:1]
    train_policy({**other, "init": str(run_dir)})
    assert "voxel 0.3 (it learned with" in caplog.text
    assert "hand panda (it learned with none)" in caplog.text
    assert "cameras ['front'] (it learned with ['front', 'wrist'])" in caplog.text


@pytest.mark.parametrize("past", [0, 2])
def test_a_saved_policy_learns_to_see_its_own_colour(past):
    """With and without a memory beforehand; the new inputs count nothing until they are learned."""
    torch.manual_seed(0)
    words = Vocabulary(["it", "open"])
    saved = build_policy({**TINY["mini_diffuser"], "past": past}, words)
    block = {**TINY["mini_diffuser"], "past": 2, "alike": True}
    grown = build_policy(block, words, saved)
    assert grown.points.described == (*saved.points.described[:1], 2, ALIKE)
    seen = random_observations(3, 20, dtype=torch.float32)
    assert not grown.points.in_projection[0].weight[:, -ALIKE:].any()
    if past:
        torch.testing.assert_close(grown.eval().act(seen), saved.eval().act(seen))
    losses = grown.losses(seen, random_actions(dtype=torch.float32), 4, torch.Generator())
    sum(losses.values()).backward()
    assert grown.points.in_projection[0].weight.grad[:, -ALIKE:].abs().max() > 0
    with pytest.raises(ValueError, match="may be learned later"):
        build_policy({**TINY["mini_diffuser"], "past": 2}, words, grown)


def test_foreign_weights_are_refused_by_name(trained, tmp_path):
    _, run_dir, _ = trained
    for suffix in ("safetensors", "json"):
        (tmp_path / f"p.{suffix}").write_bytes((run_dir / f"model.{suffix}").read_bytes())
    card = json.loads((tmp_path / "p.json").read_text())
    for change, message in (
        ({"name": "equigiga"}, "known policies"),
        ({"channels": 36}, "do not fit"),
        ({"build": 1}, "train it again"),
        ({"text": {"clip": "ViT", "sha256": "0"}}, "clip=DIR"),
    ):
        altered = {**card, "config": {**card["config"], **change}}
        (tmp_path / "p.json").write_text(json.dumps(altered))
        with pytest.raises(ValueError, match=message):
            load_policy(tmp_path / "p", verify=False)
        with pytest.raises(ValueError, match="the card was edited"):
            load_policy(tmp_path / "p")


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ([], "train"),
        (["model=equiigd", "data=pile"], "train"),
        (["data=demos", "model=mini_diffuser"], "train_policy"),
        (["-m", "model=mini_diffuser,other"], "train_policy"),
        (["model=unheard"], "train"),
    ],
)
def test_the_model_decides_which_options_there_are(arguments, name):
    assert main_config(arguments) == name

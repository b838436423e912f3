"""The judge's fine-tuning from the command line, and the attempts that it learns from."""

import base64
import json
import shutil

import numpy as np
import pytest
import torch

import equigrasp
from equigrasp.hand import PANDA
from equigrasp.models.equigiga import EquiGIGA
from equigrasp.models.equiigd import EquiIGD
from equigrasp.training.judge_tuning import judged_model
from equigrasp.weights import find_weights, load_model, read_card
from sim import judge_finetune
from sim.clutter.fingerprint import fingerprint as evaluated
from sim.clutter.lessons import Witness, WitnessedPlanner, lessons, packed, unpacked
from sim.clutter.protocol import EvalSettings
from sim.clutter.scene_lists import build_round

OBJECTS = "procedural:8"
PLANS, TRIES = 40, 5


@pytest.fixture(scope="module")
def without_judge(tmp_path_factory):
    """Shipped EquiGIGA as it was before any attempts."""
    folder = tmp_path_factory.mktemp("plain")
    shipped = load_model("equigiga_pile", frozen=False)
    plain = EquiGIGA(**{**shipped.options, "judge": False}, bank=shipped.bank)
    plain.load_state_dict(shipped.state_dict(), strict=False)
    equigrasp.save_model(plain, folder / "mine", {})
    return folder / "mine"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A copy of shipped weights, calibration and all; its card tells of one object alone."""
    folder = tmp_path_factory.mktemp("weights")
    for file in find_weights("equiigd_pile"):
        shutil.copy(file, folder / f"mine{file.suffix}")
    card = json.loads((folder / "mine.json").read_text())
    card["trained_on"] = {"splits": ["train"], "object_ids": ["a_mug"], "untold": []}
    card["summary"] = "Mine."
    card.pop("judged", None)
    (folder / "mine.json").write_text(json.dumps(card))
    return folder / "mine"


def numbers_of_a_look(weights):
    model = judged_model(load_model(weights, frozen=False))
    if isinstance(model, EquiIGD):
        return model.judge.in_projection.source.channels
    return model.judge.channels + 1  # and the quality


@pytest.fixture
def made_up(monkeypatch):
    """Attempts that hold where the judge sees a certain thing take the place of simulated ones."""
    rng = np.random.default_rng(0)

    def play(player, args, fingerprint, out):
        assert player == "sim.clutter.lessons:lessons"
        assert fingerprint != evaluated(args.model, args.scene)  # what tries grasps counts too
        lines, channels = [], numbers_of_a_look(args.model)
        for index in range(args.scenes):
            judged = rng.normal(size=(TRIES, channels))
            tried = [
                {"plan": 0, "judged": packed(row), "quality": 0.0, "about": [0.0, 0.0, 0.0],
                 "success": bool(row[:4].sum() > 0)}
                for row in judged
            ]  # fmt: skip
            lines.append({"seed": args.seed, "round": index, "tried": tried})
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (out / "tried.jsonl").write_text(text)
        return lines

    monkeypatch.setattr(judge_finetune, "play_tried", play)


def run(weights, out, *more):
    return judge_finetune.main(
        ["--model", str(weights), "--scene", "pile", "--objects", OBJECTS, "--scenes", str(PLANS),
         "--epochs", "3", "--out", str(out), *more]
    )  # fmt: skip


def test_the_judge_alone_is_other_and_the_card_tells_of_it(weights, made_up, tmp_path, capsys):
    assert run(weights, tmp_path / "run") == 0
    text = capsys.readouterr().out
    assert f"{PLANS * TRIES * 9 // 10} attempts learned from" in text
    before, after = load_model(weights, frozen=False), load_model(tmp_path / "run/model")
    assert after.calibration.is_identity
    tuned = load_model(tmp_path / "run/model", frozen=False)
    assert judge_finetune.digest_but(tuned, "judge.") == judge_finetune.digest_but(before, "judge.")
    assert judge_finetune.digest_but(tuned, "-") != judge_finetune.digest_but(before, "-")
    card = tuned.card
    (part,) = card["judged"]
    assert part["objects"] == OBJECTS
    assert part["told"]["attempts"] == PLANS * TRIES * 9 / 10
    first, *others = card["trained_on"].pop("object_ids")
    assert first == "a_mug"
    assert others
    assert all(each.startswith("procedural/") for each in others)
    assert card["trained_on"] == {"splits": ["train"], "untold": []}


def test_attempts_of_earlier_runs_are_learned_from_too(weights, made_up, tmp_path, capsys):
    assert run(weights, tmp_path / "first") == 0
    shutil.copytree(tmp_path / "first", tmp_path / "kept")
    later = tmp_path / "first/model"
    assert run(later, tmp_path / "second", "--more", str(tmp_path / "kept")) == 0
    assert f"{2 * PLANS * TRIES * 9 // 10} attempts learned from" in capsys.readouterr().out
    card = read_card(tmp_path / "second/model.json")
    assert [part["more"] for part in card["judged"]] == [[], ["kept"]]
    assert card["summary"] == "Mine. Its judge was fine-tuned by attempts."
    assert card["tuned_from"] == "first"


def test_attempts_of_another_encoder_are_refused(weights, made_up, tmp_path, capsys):
    assert run(weights, tmp_path / "first") == 0
    other = tmp_path / "first/judged.json"
    other.write_text(json.dumps({**json.loads(other.read_text()), "reads": "another"}))
    assert run(weights, tmp_path / "second", "--more", str(tmp_path / "first")) == 2
    assert "differ in more than their judge" in capsys.readouterr().err
    assert not (tmp_path / "second/model.json").exists()


def test_a_judge_of_before_may_learn_what_a_later_one_tried(weights, made_up, tmp_path, capsys):
    assert run(weights, tmp_path / "first") == 0
    more = ["--more", str(tmp_path / "first"), "--begin", str(weights)]
    assert run(tmp_path / "first/model", tmp_path / "second", *more) == 0
    card = read_card(tmp_path / "second/model.json")
    (part,) = card["judged"]
    assert (part["played"], part["more"], card["tuned_from"]) == ("first", ["first"], "mine")
    assert run(weights, tmp_path / "third", "--begin", "equiigd_packed") == 2
    assert "differ in more than their judge" in capsys.readouterr().err


def test_what_was_not_measured_is_not_told(weights, made_up, tmp_path, capsys):
    assert run(weights, tmp_path / "run", "--held-out", "0") == 0
    assert "held out" not in capsys.readouterr().out
    (part,) = read_card(tmp_path / "run/model.json")["judged"]
    assert set(part["told"]) == {"attempts", "held_out", "widths"}
    assert run(weights, tmp_path / "run", "--more", str(tmp_path / "run")) == 2
    assert "count already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--more", "nowhere"], "nowhere holds no attempts"),
        (["--tries", "0"], "--tries is 0"),
        (["--floor", "0"], "--floor is 0.0"),
        (["--threads", "0"], "threads"),
        (["--model", "giga_pile"], "GIGA has no judge; name weights of EquiIGD or EquiGIGA"),
        (["--model", "antipodal"], "has no card"),
        (["--epochs", "0"], "epochs"),
    ],
)
def test_unusable_input_is_refused(options, message, weights, made_up, tmp_path, capsys):
    assert run(weights, tmp_path / "run", *options) == 2
    assert message in capsys.readouterr().err


def test_numbers_survive_as_text():
    values = np.random.default_rng(0).normal(size=300).astype(np.float32)
    np.testing.assert_allclose(unpacked(packed(values)), values, rtol=1e-3, atol=1e-6)
    with pytest.raises(ValueError, match=r"base64|Only|padding|discontinuous"):
        unpacked("no text of this kind!")
    with pytest.raises(ValueError, match="size"):
        unpacked(base64.b64encode(b"odd").decode())


def test_a_witness_notes_what_the_answer_was_judged_by():
    torch.manual_seed(0)
    tiny = {"fields": 2, "depth": 1, "hidden_fields": 4, "head_blocks": 1, "flow_fields": 2}
    model = EquiIGD(resolution=8, flow_blocks=1, **tiny).eval()
    witness = Witness(model)
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(1, 20, 3, generator=generator) - 0.5
    with torch.inference_mode():
        features = witness.encode(torch.rand(1, 8, 8, 8, generator=generator))
        plain = model.query(features, points, ("rotation", "confidence"), num_samples=4)
        field = witness.query(features, points, ("rotation", "confidence"), num_samples=4)
        assert torch.equal(plain.rotation, field.rotation)
        quality = model.query(features, points, ("quality",)).quality[0]
    assert len(witness.noted) == 20
    for row, turn in enumerate(field.rotation[0].double().numpy()):
        judged, logit = witness.noted[np.ascontiguousarray(turn, np.float32).tobytes()]
        confidence = model.verdict(torch.from_numpy(judged))[0].sigmoid()
        torch.testing.assert_close(confidence, field.confidence[0, row], atol=1e-5, rtol=0)
        assert 1 / (1 + np.exp(-logit)) == pytest.approx(float(quality[row]), abs=1e-5)


def test_a_planner_with_a_witness_needs_a_judge():
    with pytest.raises(ValueError, match="GIGA has no judge"):
        WitnessedPlanner("giga_pile", {}, True)


def test_equigiga_gets_a_judge_that_learns(without_judge, made_up, tmp_path, capsys):
    assert run(without_judge, tmp_path / "first") == 0
    assert "widths" not in capsys.readouterr().out
    tuned = load_model(tmp_path / "first/model", frozen=False)
    before = load_model(without_judge, frozen=False)
    assert (before.judge, tuned.card["config"]["judge"]) == (None, True)
    assert judge_finetune.digest_but(tuned, "judge.") == judge_finetune.digest_but(before, "judge.")
    assert tuned.judge.head.out_projection.bias.abs() > 0
    assert tuned.card["summary"] == "EquiGIGA. Its judge was fine-tuned by attempts."
    more = ["--more", str(tmp_path / "first"), "--begin", str(without_judge)]
    assert run(tmp_path / "first/model", tmp_path / "second", *more) == 0
    assert f"{2 * PLANS * TRIES * 9 // 10} attempts learned from" in capsys.readouterr().out


def told_twice(weights, tries):
    """What a round tells, after it has been played again and told the same."""
    floor = {"quality_threshold": 0.05, "quality_floor": 0.05}
    settings = EvalSettings(
        scene="pile", objects="random_urdfs", model=str(weights), detection=floor
    ).to_dict()
    scene = build_round("pile", "random_urdfs", "train", 2, 0, 0)
    told = lessons(settings, scene, 0, 0, PANDA.to_dict(), tries)
    assert told == lessons(settings, scene, 0, 0, PANDA.to_dict(), tries)
    json.dumps(told, allow_nan=False)
    plans = [entry["plan"] for entry in told["tried"]]
    assert plans == sorted(plans)
    assert all(plans.count(plan) <= tries for plan in plans)
    judged = torch.from_numpy(np.stack([unpacked(entry["judged"]) for entry in told["tried"]]))
    return told["tried"], judged


def test_a_round_gives_lessons_and_the_same_again():
    tried, judged = told_twice("equiigd_pile", 6)
    assert tried[-1]["plan"] >= 1
    assert any(entry["success"] for entry in tried)
    confidence, width = equigrasp.load_model("equiigd_pile").verdict(judged)
    assert confidence.isfinite().all()
    opened = np.array([entry["about"][2] for entry in tried]) + 0.5
    assert opened * PANDA.opening == pytest.approx(width.clamp(0, PANDA.opening).numpy(), abs=1e-3)


def test_a_judge_that_is_to_come_is_shown_every_grasp_once(without_judge):
    tried, judged = told_twice(without_judge, 6)
    rows = zip(judged.numpy(), tried, strict=True)
    first = [row.tobytes() for row, entry in rows if entry["plan"] == 0]
    assert len(first) == len(set(first)) > 2
    quality = torch.tensor([entry["quality"] for entry in tried])
    new = judged_model(load_model(without_judge, frozen=False))
    torch.testing.assert_close(new.verdict(judged)[0], quality, atol=1e-2, rtol=1e-3)

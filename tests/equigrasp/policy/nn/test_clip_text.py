import copy
import json
import socket
import sys

import pytest
import torch
from torch import nn
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
)
from transformers.utils import logging

import equigrasp
from equigrasp.policy.models.mini_diffuser import MiniDiffuser
from equigrasp.policy.nn import clip_text
from equigrasp.policy.nn.clip_text import ClipTextEncoder, FrozenClip
from equigrasp.policy.saved import load_policy

SENTENCES = ["Stack two red blocks.", "push the red button, then the blue one", "stack"]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789,."
WORDS = [*LETTERS, *(letter + "</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
LONGEST = 24


def text_config():
    return CLIPTextConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=LONGEST,
        bos_token_id=len(WORDS) - 2,
        eos_token_id=len(WORDS) - 1,
        pad_token_id=len(WORDS) - 1,
    )


def add_tokenizer(folder):
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(WORDS)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return folder


def save(model, folder):
    logging.disable_progress_bar()
    model.save_pretrained(folder)
    logging.enable_progress_bar()


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "tiny-clip"
    save(CLIPTextModel(text_config()), made)
    return add_tokenizer(made)


def expected(folder, sentence):
    model, tokenizer = CLIPTextModel.from_pretrained(folder), CLIPTokenizer.from_pretrained(folder)
    numbers = tokenizer(sentence, truncation=True, max_length=LONGEST, return_tensors="pt")
    with torch.no_grad():
        return model.eval()(**numbers).last_hidden_state[0]


def test_tokens_are_those_of_transformers_behind_a_linear_layer(folder):
    encoder = ClipTextEncoder(folder, 12)
    tokens, mask = encoder(SENTENCES)
    wanted = [expected(folder, sentence) for sentence in SENTENCES]
    assert tokens.shape == (3, LONGEST, 12)
    assert mask.dtype == torch.bool
    assert mask.sum(1).tolist() == [len(rows) for rows in wanted] == [20, LONGEST, 7]
    for row, states in enumerate(wanted):
        assert encoder.clip.encode(SENTENCES)[row].equal(states)
        torch.testing.assert_close(tokens[row, mask[row]], encoder.project(states))
        assert mask[row, : len(states)].all()


def test_a_whole_clip_serves_as_well(folder, tmp_path, capfd):
    vision = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    vision |= {"num_attention_heads": 2, "image_size": 16, "patch_size": 8}
    whole = CLIPModel(CLIPConfig(text_config=text_config().to_dict(), vision_config=vision))
    save(whole, tmp_path / "whole")
    add_tokenizer(tmp_path / "whole")
    capfd.readouterr()
    clip = FrozenClip(tmp_path / "whole")
    assert capfd.readouterr() == ("", "")
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    numbers = tokenizer(SENTENCES[0], return_tensors="pt")
    with torch.no_grad():
        states = whole.eval().text_model(**numbers).last_hidden_state[0]
    assert clip.encode(SENTENCES[:1])[0].equal(states)


def test_half_precision_weights_are_computed_in_single(folder):
    CLIPTextModel.from_pretrained(folder).half().save_pretrained(folder)
    states = FrozenClip(folder).encode(SENTENCES)[0]
    assert states.dtype == torch.float32
    torch.testing.assert_close(states, expected(folder, SENTENCES[0]).float(), atol=0.02, rtol=0.02)


def test_a_sentence_means_the_same_whenever_and_beside_whatever_it_is_said(folder):
    first, second = ClipTextEncoder(folder, 12), ClipTextEncoder(folder, 12)
    second.load_state_dict(first.state_dict())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        first.clip.encode(SENTENCES)  # remembered from here on
    together, mask = first(SENTENCES)
    for row, sentence in enumerate(SENTENCES):
        torch.testing.assert_close(together[row, mask[row]], second([sentence])[0][0])
    assert first(SENTENCES)[0].equal(together)


def test_a_sentence_is_encoded_once_and_the_oldest_forgotten(folder, monkeypatch):
    clip = FrozenClip(folder)
    asked = []
    clip._model.register_forward_pre_hook(lambda *_: asked.append(1))
    monkeypatch.setattr(clip_text, "REMEMBERED", 2)
    clip.encode([SENTENCES[0], SENTENCES[1], SENTENCES[0]])
    assert len(asked) == 2
    clip.encode([SENTENCES[2], SENTENCES[1]])
    assert len(asked) == 3
    clip.encode([SENTENCES[0]])
    assert len(asked) == 4


def test_only_the_linear_layer_is_trained_saved_and_copied(folder):
    policy = nn.Sequential(ClipTextEncoder(folder, 12))
    assert sorted(policy.state_dict()) == ["0.project.bias", "0.project.weight"]
    assert len(list(policy.parameters())) == 2
    tokens, mask = policy(SENTENCES)
    tokens[mask].square().mean().backward()
    assert policy[0].project.weight.grad.abs().max() > 0
    twin = copy.deepcopy(policy)
    assert twin[0].clip is policy[0].clip
    assert twin[0].project is not policy[0].project
    assert policy.double()(SENTENCES)[0].dtype == torch.float64


def test_another_clip_is_refused_by_name(folder, tmp_path):
    encoder = ClipTextEncoder(folder, 12)
    card = json.loads(json.dumps(encoder.description))
    assert card["clip"] == "tiny-clip"
    assert len(card["sha256"]) == 64
    folder.rename(tmp_path / "moved")
    ClipTextEncoder(tmp_path / "moved", 12).check(card)
    other = add_tokenizer(tmp_path / "moved")
    save(CLIPTextModel(text_config()), other)
    with pytest.raises(ValueError, match="trained with the CLIP 'tiny-clip'.*moved holds another"):
        ClipTextEncoder(other, 12).check(card)


def test_pickled_weights_are_refused_unread(folder):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    with pytest.raises(ValueError, match=r"pytorch_model.bin is a pickle.*save_pretrained"):
        ClipTextEncoder(folder, 12)


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "merges.txt"])
def test_missing_files_are_named(folder, missing):
    (folder / missing).unlink()
    with pytest.raises(FileNotFoundError, match=missing):
        ClipTextEncoder(folder, 12)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", '{"model_type": "bert"}', "type 'bert'"),
        ("config.json", '{"model_type', "torn"),
        ("config.json", "[]", "torn"),
        ("model.safetensors", "torn", "torn, or no CLIP"),
        ("vocab.json", "{", "torn, or no CLIP"),
    ],
)
def test_what_is_no_clip_is_refused(folder, name, content, message):
    (folder / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        ClipTextEncoder(folder, 12)


def test_weights_that_lack_a_layer_are_not_filled_up_at_random(folder):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    gone = next(name for name in weights if "layers.1.mlp.fc1.bias" in name)
    del weights[gone]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match="lacks 'encoder.layers.1.mlp.fc1.bias'|lacks '" + gone):
        ClipTextEncoder(folder, 12)


def test_a_name_is_not_looked_up_on_a_network(folder, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("somebody went online")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(FileNotFoundError, match="no folder openai/clip-vit-base-patch32"):
        ClipTextEncoder("openai/clip-vit-base-patch32", 12)
    assert ClipTextEncoder(folder, 12)(SENTENCES)[0].isfinite().all()


def test_without_transformers_the_command_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r"pip install 'equigrasp\[policy\]'"):
        ClipTextEncoder(folder, 12)


@pytest.mark.parametrize("sentences", [[""], ["push", "?!"], []])
def test_a_sentence_without_words_is_refused(folder, sentences):
    with pytest.raises(ValueError, match="no words"):
        ClipTextEncoder(folder, 12)(sentences)


def test_long_sentences_are_cut_and_still_end(folder):
    clip = FrozenClip(folder)
    assert len(clip.encode(["stack " * 50])[0]) == LONGEST


def test_a_saved_policy_asks_for_the_same_clip_wherever_it_lies(folder, tmp_path):
    policy = MiniDiffuser(folder, widths=(24, 48), channels=24, head_channels=12, patch=16)
    equigrasp.save_model(policy, tmp_path / "policy", {})
    moved = folder.rename(tmp_path / "elsewhere")
    again = load_policy(tmp_path / "policy", clip=moved)
    assert torch.equal(again.text(SENTENCES)[0], policy.eval().text(SENTENCES)[0])
    with pytest.raises(ValueError, match="clip=DIR"):
        load_policy(tmp_path / "policy")
    other = tmp_path / "other"
    save(CLIPTextModel(text_config()), other)
    with pytest.raises(ValueError, match="holds another one"):
        load_policy(tmp_path / "policy", clip=add_tokenizer(other))

import pytest
import torch

from equigrasp.policy.nn.text import LONGEST, TextEncoder
from equigrasp.policy.nn.vocabulary import Vocabulary, split_words

SENTENCES = ["Stack two red blocks.", "push the red button, then the blue button", "stack"]


def test_words_are_split_and_numbered():
    assert split_words("Press the RED button, then 2!") == [
        "press",
        "the",
        "red",
        "button",
        "then",
        "2",
    ]
    vocabulary = Vocabulary.of(SENTENCES)
    numbers, mask = vocabulary.encode(["stack red blocks", "push quickly"])
    assert mask.tolist() == [[True, True, True], [True, True, False]]
    assert numbers[1, 1] == 1
    assert Vocabulary(vocabulary.words).encode(SENTENCES)[0].equal(vocabulary.encode(SENTENCES)[0])


@pytest.mark.parametrize("sentences", [[""], ["push", "?!"], []])
def test_a_sentence_without_words_is_refused(sentences):
    with pytest.raises(ValueError, match="no words"):
        Vocabulary.of(SENTENCES).encode(sentences)


@pytest.mark.parametrize("words", [["a", "a"], ["<pad>"]])
def test_words_are_known_once(words):
    with pytest.raises(ValueError, match="twice"):
        Vocabulary(words)


def test_a_sentence_means_the_same_whatever_stands_beside_it():
    encoder = TextEncoder(Vocabulary.of(SENTENCES), 24).double()
    together, mask = encoder(SENTENCES)
    assert together.shape == (3, 8, 24)
    for row, sentence in enumerate(SENTENCES):
        alone, _ = encoder([sentence])
        torch.testing.assert_close(together[row, mask[row]], alone[0])


def test_order_matters():
    encoder = TextEncoder(Vocabulary.of(SENTENCES), 24)
    first, _ = encoder(["red then blue"])
    second, _ = encoder(["blue then red"])
    assert (first.mean(1) - second.mean(1)).abs().max() > 1e-3


def test_long_sentences_are_cut():
    encoder = TextEncoder(Vocabulary.of(SENTENCES), 12)
    tokens, mask = encoder(["red blue " * LONGEST])
    assert tokens.shape == (1, LONGEST, 12)
    assert mask.all()

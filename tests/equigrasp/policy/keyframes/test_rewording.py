"""Words that nobody knows: which become so, and what a policy learns of them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from equigrasp.policy.episodes.synthetic import write_synthetic_demonstrations
from equigrasp.policy.keyframes.batches import KeyframeBatches, observations
from equigrasp.policy.keyframes.clouds import CloudSettings
from equigrasp.policy.keyframes.dataset import Augmentation, KeyframeDataset
from equigrasp.policy.keyframes.rewording import draw_unknown, reworded
from equigrasp.policy.nn.text import LONGEST
from equigrasp.policy.nn.vocabulary import UNKNOWN, Vocabulary
from equigrasp.training.loader import collate

NONE = np.zeros((2, 4), bool)
WIDE = CloudSettings(low=(-9, -9, -9), high=(9, 9, 9), table_top=-9, points=64)


def test_words_are_lost_and_others_come_in_between():
    lost, more = NONE.copy(), NONE.copy()
    lost[0, 1], more[1, 0], more[1, 2] = True, True, True
    assert reworded("Press the red button!", NONE) == "press the red button"
    assert reworded("Press the red button!", lost) == f"press {UNKNOWN} red button"
    told = reworded("Press the red button!", more)
    assert told == f"{UNKNOWN} press the {UNKNOWN} red button"
    assert reworded("one two three four five", ~NONE).endswith(f"{UNKNOWN} {UNKNOWN} five")


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_what_is_known_stays_in_its_order(seed, share):
    sentence = "stack two red blocks then 3 blue ones"
    found = reworded(sentence, draw_unknown(share, np.random.default_rng(seed))).split()
    known = iter(sentence.split())
    assert all(word in known for word in found if word != UNKNOWN)
    assert len(sentence.split()) <= len(found) <= 2 * len(sentence.split())


def test_as_many_are_lost_as_is_asked_for():
    drawn = np.stack([draw_unknown(0.2, np.random.default_rng(i)) for i in range(200)])
    assert drawn.shape == (200, 2, LONGEST)
    assert drawn.mean((0, 2)) == pytest.approx([0.2, 0.2], abs=0.02)


def test_an_unknown_word_is_a_word_of_no_vocabulary():
    vocabulary = Vocabulary.of([f"press {UNKNOWN} button"])
    assert vocabulary.words == ["button", "press"]
    said = vocabulary.encode([f"press {UNKNOWN} button", "press quickly button"])[0]
    assert torch.equal(said[0], said[1])


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demos")
    write_synthetic_demonstrations(folder, 2, cameras=["front"])
    return folder


def batches(root, words):
    change = Augmentation(words=words)
    data = KeyframeDataset(root, cloud=WIDE, cameras=["front"], augmentation=change)
    return KeyframeBatches(data, data.sentences(), seed=3), data.sentences()


def test_items_tell_which_words_are_unknown_and_are_otherwise_the_same(root):
    (plain, sentences), (some, _) = batches(root, 0.0), batches(root, 0.3)
    key = (1, 0)
    before, after = plain[key], some[key]
    unknown = after.pop("unknown")
    assert unknown.shape == (2, LONGEST)
    assert set(before) == set(after)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert torch.equal(unknown, some[key]["unknown"])
    assert not torch.equal(unknown, some[2, 0]["unknown"])
    seen = observations(collate([some[key], some[2, 0]]), sentences)
    number = int(after["sentence"])
    assert seen.sentences[0] == reworded(sentences[number], unknown.numpy())
    assert observations(collate([before]), sentences).sentences == [sentences[number]]

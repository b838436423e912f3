"""Cards of shipped grasp weights tell the objects they met, and none of these is a test object."""

import pytest

from equigrasp.weights import SHIPPED, find_weights, read_card, read_weights, shipped_names
from sim.objects.load import load_objects
from sim.objects.sets.limit_set import split_of_index
from sim.objects.spec import split_of
from sim.scene.kinds import find_kind

CARDS = {name: read_card(find_weights(name)[1]) for name in shipped_names()}
TOLD = {name: card["trained_on"] for name, card in CARDS.items() if "trained_on" in card}
OURS = ("equigiga_packed", "equigiga_pile", "equiigd_packed", "equiigd_pile")


def split_by_rule(object_id):
    """Written down a second time: "train" where training may have met it, by its id alone."""
    source, _, number = object_id.partition("/")
    if source == "limit":
        return split_of_index(int(number))
    if number:  # of the default sets, by the hash of the id
        return split_of(object_id)
    return "val" if split_of(object_id) == "val" else "train"  # published: test lies in a folder


def test_ours_tell_what_they_were_trained_on():
    for name, card in CARDS.items():
        old = name not in OURS and not any("settings" in each for each in card["data"])
        assert old or name in TOLD, f"python scripts/name_objects.py {name} FOLDERS OF ITS DATA"


@pytest.mark.parametrize("name", sorted(TOLD))
def test_every_object_is_of_the_training_split(name):
    told = TOLD[name]
    assert (told["splits"], told["untold"]) == (["train"], [])
    ids = told["object_ids"]
    assert ids == sorted(set(ids))
    assert len(ids) >= max(each["objects"] for each in CARDS[name]["data"])
    assert [each for each in ids if split_by_rule(each) != "train"] == []


@pytest.mark.parametrize("name", sorted(TOLD))
def test_no_object_that_evaluations_draw_by_default_was_met(name):
    """Asked of the loader itself, for the sets that come with the project, of every kind."""
    met = set(TOLD[name]["object_ids"])
    for kind in ("packed", "pile"):
        rule = find_kind(kind).objects
        for split in ("test", "val"):
            drawn = {spec.object_id for spec in load_objects("default,limit", rule, split)}
            assert drawn
            assert not drawn & met


@pytest.mark.parametrize("name", OURS)
def test_completed_cards_keep_their_digests(name):
    assert read_weights(name, SHIPPED, verify=True).card["trained_on"] == TOLD[name]

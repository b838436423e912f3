"""Differences between trees of settings."""

from equigrasp.differences import differing_entries


def test_leaves_are_told_with_their_path_in_order():
    old = {"b": 1, "a": {"x": 1, "y": [1], "z": {"deep": None}}, "same": {}}
    new = {"b": 1, "a": {"x": 2, "y": [1, 2], "z": {"deep": 0}}, "same": {}}
    assert list(differing_entries(old, new)) == [
        (("a", "x"), 1, 2),
        (("a", "y"), [1], [1, 2]),
        (("a", "z", "deep"), None, 0),
    ]
    assert list(differing_entries(old, old)) == []


def test_what_is_absent_on_one_side_is_none():
    assert list(differing_entries({"a": {"b": 1}}, {"c": 2})) == [
        (("a",), {"b": 1}, None),
        (("c",), None, 2),
    ]

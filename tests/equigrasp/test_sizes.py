"""Default sizes and the variable that shrinks them."""

import pytest

from equigrasp.sizes import VARIABLE, default_size


@pytest.mark.parametrize(("share", "size"), [(None, 200), ("1", 200), ("0.5", 100), ("0.001", 3)])
def test_a_share_of_the_default_but_never_too_little(monkeypatch, share, size):
    monkeypatch.delenv(VARIABLE, raising=False)
    if share is not None:
        monkeypatch.setenv(VARIABLE, share)
    assert default_size(200, least=3) == size


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "much", "nan"])
def test_what_is_no_share_is_refused_by_name(monkeypatch, text):
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(ValueError, match=f"{VARIABLE} is '{text}'"):
        default_size(200)

"""In what an episode of an evaluation may be unlike demonstrations; no simulator is loaded here."""

from __future__ import annotations

HELD_OUT = ("colours", "sizes", "sentences", "distractors", "camera")
"""colours: the same names stand for other shades. sizes: things are smaller or larger, in tasks
that have a size. sentences: words that no demonstration has. distractors: two things more. camera:
every one stands elsewhere, and its description says so."""

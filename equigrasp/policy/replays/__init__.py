"""Recorded episodes of plain control: what was seen and done at every step, and their files."""

"""Demonstrations of real robots: camera set-ups, recordings, and episodes made of them."""

"""Grasp models, one file per architecture; `equigrasp.registry` finds them by name."""

"""Rotations (torch, batched) and rigid transforms (numpy)."""

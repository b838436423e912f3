"""Policies that answer what they see with a chunk of actions, denoised together."""

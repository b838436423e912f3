"""Layers of the policies."""

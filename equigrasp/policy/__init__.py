"""Keyframe manipulation policies: RLBench episodes, Mini-Diffuser, its training and its use."""

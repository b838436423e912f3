"""Keyframe manipulation policies: RLBench episodes, the networks, their training and their use."""

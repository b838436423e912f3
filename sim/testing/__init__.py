"""Contracts that need the simulator: test classes for planners, scene kinds, hands and tasks.

A test module checks a thing of one's own by deriving from its contract and naming the thing.
"""

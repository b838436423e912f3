"""What keyframe tasks stand on: a table with bodies on it, an arm, and what a task is.

Simulator processes only.
"""

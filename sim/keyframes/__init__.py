"""Keyframe tasks being played: ways of the arm, cameras, demonstrations, policies, evaluation.

All but `suite` and `success_rates` load a simulator, and belong into worker processes.
"""

"""Keyframe tasks being played: ways of the arm, cameras, demonstrations, policies, evaluation.

All but `held_out_kinds`, `suite` and `success_rates` load a simulator; they belong into worker
processes.
"""

"""Grasp models: one file per architecture, found by name."""

from equigrasp.models.base import GraspField, GraspModel
from equigrasp.models.registry import build_model, model_names

__all__ = ["GraspField", "GraspModel", "build_model", "model_names"]

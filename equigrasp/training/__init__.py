"""Training of grasp models: settings, the loop, exact checkpoints and validation metrics."""

"""Double of `rlbench.tasks`: two tasks."""

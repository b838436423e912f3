"""The hand in a simulated scene: proposals, sweeps, trials, labels."""

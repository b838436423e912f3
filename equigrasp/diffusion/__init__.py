"""The two-level core: B conditions, M noised samples of each, samples isolated from one another."""

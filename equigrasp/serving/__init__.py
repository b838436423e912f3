"""A planner that other processes and machines ask over HTTP: arrays in, JSON out, no pickles."""

"""PushT: the published environment, and a planner that pushes the T home."""

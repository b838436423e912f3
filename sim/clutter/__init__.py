"""The clutter-removal benchmark: scene lists, rounds, planners, metrics, reports."""

"""Language-conditioned keyframe tasks. A new task is a new file here with a `Task` in it."""

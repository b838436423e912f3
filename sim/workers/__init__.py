"""Worker processes: tasks, the local pool, Ray."""

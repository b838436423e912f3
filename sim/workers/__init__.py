"""Worker processes: jobs, the local pool, Ray."""

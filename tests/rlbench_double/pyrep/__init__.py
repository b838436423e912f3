"""Double of PyRep: its exceptions alone."""

"""Data sets on disk: scene files, manifests, checks, and the training items made of them."""

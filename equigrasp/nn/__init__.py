"""Steerable building blocks of the tri-plane networks."""

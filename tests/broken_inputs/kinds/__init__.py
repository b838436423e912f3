"""Kinds of broken inputs, a module each."""

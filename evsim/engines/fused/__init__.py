"""Compiled, event-driven engine."""

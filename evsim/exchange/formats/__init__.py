"""Formats that recordings are exported to: one a file, each named as users write it."""

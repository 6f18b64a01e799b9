"""Kinds of projections; every file is one."""

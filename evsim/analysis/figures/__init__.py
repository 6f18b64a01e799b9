"""Figures of a recording, one a file; the file's name is what `evsim plot` takes."""

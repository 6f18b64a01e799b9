"""Figures of a recording, one a file; the file's name is what `evsim plot` takes.

Each has `draw(run, figure, trial)`; `OF_ONE_TRIAL` says that it can be of one that is asked for.
"""

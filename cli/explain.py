"""`evsim explain FILE`."""

from __future__ import annotations

from . import options


def command(
    file: options.NetworkFile,
    set_: options.Overrides = None,
    engine: options.EngineOption = options.Engine.auto,
) -> None:
    """Print the code captured from the equations, the fast paths taken and why others are not."""
    from evsim.spec.parse import parse

    network = parse(file, set_ or ())
    from evsim import summary  # Slow, so the file's faults are shown first.

    print(summary.explain(network, engine.value))

"""`evsim schema`."""

from __future__ import annotations

import json


def command() -> None:
    """Print the JSON Schema of network files, for editors."""
    from evsim.spec.schema import json_schema

    print(json.dumps(json_schema(), indent=2))

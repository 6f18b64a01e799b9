"""Arguments and options that several commands take."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Engine(StrEnum):
    """Engines that users may ask for."""

    auto = "auto"
    fused = "fused"
    reference = "reference"


NetworkFile = Annotated[Path, typer.Argument(help="Network file (YAML).", metavar="FILE")]
RunFolder = Annotated[Path, typer.Argument(help="Folder of a run.", metavar="RUN")]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Replace a field of the file, such as protocol.epochs=3; repeatable.",
    ),
]
EngineOption = Annotated[
    Engine,
    typer.Option("--engine", help="auto: fused where it can run the network, else reference."),
]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="FOLDER", help="Folder that holds the data set's files."),
]
Weights = Annotated[
    Path | None,
    typer.Option("--weights", help="Run, or .npz, whose weights are used; else initial ones."),
]
Threads = Annotated[
    int | None, typer.Option("--threads", min=1, help="Threads; by default one a core.")
]
Until = Annotated[
    str | None,
    typer.Option(
        "--until",
        metavar="TIME",
        help="Stop with everything saved after 90min or 2h, or at 18:30; resume goes on.",
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print only warnings, errors and the run's folder.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]

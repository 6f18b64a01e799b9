from collections.abc import Iterator
from pathlib import Path

import pytest

from evsim.recording.reader import Run, open_run
from tests.exchange.recordings import NETWORK, Expected, expected, mixed, write


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exchange") / "20260203T040506Z-0a1b2c"
    folder.mkdir()
    write(folder / "recording.h5", mixed())
    (folder / "network.yaml").write_text(NETWORK)
    (folder / "manifest.json").write_text('{"name": "mixed", "seed": 3}')
    return folder


@pytest.fixture
def run(folder: Path) -> Iterator[Run]:
    with open_run(folder) as opened:
        yield opened


@pytest.fixture(scope="package")
def truth() -> Expected:
    return expected(mixed())

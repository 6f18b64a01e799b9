"""What several tests need: the repository's root and folders of full data sets."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LONGEST = ("test_networks", "test_script", "test_synapses", "test_noise", "test_export")


def pytest_configure(config: pytest.Config) -> None:
    """Keep compiled programs with pytest's other caches, unless a folder is named already."""
    assert config.cache is not None
    os.environ.setdefault("EVSIM_CACHE", str(config.cache.mkdir("programs")))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files, so that no worker is left with one of them at the end."""
    items.sort(key=lambda item: not item.path.name.startswith(LONGEST))


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def official_folder() -> Callable[..., Path]:
    """The folder of a full data set, from EVSIM_DATA or beside the repository; skips without."""

    def find(folder: str, file: str = "train-images-idx3-ubyte.gz") -> Path:
        named = os.environ.get("EVSIM_DATA")
        places = [Path(named)] if named else []
        for place in [*places, ROOT.parent / "shared" / "data"]:
            if (place / folder / file).is_file():
                return place / folder
        pytest.skip(f"the full data set '{folder}' is not here; name its folder with EVSIM_DATA")

    return find

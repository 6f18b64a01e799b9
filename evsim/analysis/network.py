"""The network of a recording, and its data, from the files beside it."""

from __future__ import annotations

from pathlib import Path

from evsim import datasets
from evsim.datasets import SplitData
from evsim.errors import DataError, Fault, InputError, SpecError
from evsim.recording.folder import NETWORK, manifest_beside
from evsim.recording.reader import Run
from evsim.spec.parse import parse
from evsim.spec.schema import Network


class Unmeasured(InputError):
    """A measure needs something that was not kept, or is no longer there."""


def network_of(run: Run) -> Network | None:
    """Return the network of a run; None for a lone recording and for a script's.

    Raises
    ------
    Unmeasured : the network file in the run's folder cannot be used.
    """
    manifest, file = manifest_beside(run.path), run.path.parent / NETWORK
    if not manifest or manifest.get("script") or not file.exists():
        return None
    overrides = manifest.get("overrides")
    texts = [str(text) for text in overrides] if isinstance(overrides, list) else []
    try:
        return parse(file, texts)
    except SpecError as error:
        raise Unmeasured(
            Fault(f"The run's network file '{file}' cannot be used.", hint=str(error))
        ) from None


def open_data(run: Run, network: Network) -> SplitData | None:
    """Return a run's samples; None where it has no data.

    They are read from where the run read them if that folder still exists, else from where
    `evsim run` looks; nothing is downloaded.

    Raises
    ------
    DataError : the data set is not here, or cannot be read.
    """
    data, manifest = network.data, manifest_beside(run.path)
    if data is None:
        return None
    noted, file = manifest.get("data_dir"), manifest.get("file")
    folder = Path(noted) if isinstance(noted, str) and Path(noted).is_dir() else None
    if not datasets.is_here(data, folder):
        hint = f"`evsim data get {data.name}` downloads it; or name its folder with EVSIM_DATA"
        raise DataError(Fault(f"The data set '{data.name}' is not here.", hint=hint))
    beside = (Path(file) if isinstance(file, str) else run.path).parent
    return datasets.open_dataset(data, folder, beside)

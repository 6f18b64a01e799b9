"""Networks in other forms: as Brian2 scripts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evsim.build.build import build
from evsim.errors import InputError
from evsim.export.brian2_script import Script, brian2_script
from evsim.simulate import open_samples
from evsim.spec.schema import Network


def export_brian2(
    network: Network,
    out: Path,
    *,
    trial: int = 0,
    data_dir: Path | None = None,
    force: bool = False,
) -> tuple[list[Path], tuple[str, ...]]:
    """Write a network as a Brian2 script, and its arrays beside it where there are any.

    Parameters
    ----------
    out : path of the script; arrays go to the same name with `.npz`.
    trial : number of the training sample that the script shows to the network, from 0.
    force : replace files that exist.

    Returns
    -------
    The files written, and what the script leaves out.

    Raises
    ------
    InputError : the network has no script, the sample does not exist, a file does or cannot be
        written.
    """
    if out.suffix != ".py":
        raise InputError(f"'{out}' is no name for a script; write one that ends with '.py'.")
    files = {"script": out, "arrays": out.with_suffix(".npz")}
    for path in files.values():
        if path.exists() and not force:
            raise InputError(f"'{path}' exists; use another name, or replace it with --force.")
    script = script_of(network, trial=trial, data_dir=data_dir)
    try:
        out.write_text(script.text)
        if script.arrays:
            np.savez(files["arrays"], **script.arrays)  # type: ignore[arg-type]
        else:
            files.pop("arrays").unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"'{out}' cannot be written: {error.strerror}.") from None
    return list(files.values()), script.notes


def script_of(network: Network, *, trial: int = 0, data_dir: Path | None = None) -> Script:
    """Return the script of a network; see `export_brian2`."""
    plan = build(network)
    samples = open_samples(network, plan, data_dir, Path(network.source.name).parent)
    size = samples.size("train")
    if not 0 <= trial < size:
        raise InputError(f"There is no trial {trial}: the network has {size}, from 0.")
    return brian2_script(network, plan, samples.inputs("train", trial))


__all__ = ["Script", "brian2_script", "export_brian2", "script_of"]

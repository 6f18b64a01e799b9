"""The Python of docs/recordings.md does what it says."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evsim.recording.folder import RunFolder
from evsim.recording.layout import Encoding, Parameter, Population
from evsim.recording.writer import Writer
from tests.recording.helpers import LAYOUT, parameters, trial


@pytest.mark.parametrize("encoding", ["plain", "compact"])
def test_documented_python_reads_the_spikes(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, encoding: Encoding
) -> None:
    layout = replace(
        LAYOUT,
        populations=(Population("conv1", (8, 12, 12)), Population("digit", (10,))),
        spikes=("conv1", "digit"),
        states=(),
        encoding=encoding,
        parameters=(Parameter("k1", (8, 1, 5, 5)),),
    )
    random = np.random.default_rng(0)
    folder = RunFolder.create(tmp_path / "recordings", "conv_ep", "", {})
    made = trial(random, 0, layout, activity=0.01)
    with Writer.create(folder.recording, layout, {}) as writer:
        writer.weights(0, parameters(random, layout))
        writer.trial(made)

    text = (root / "docs" / "recordings.md").read_text()
    with_evsim, with_h5py = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    known: dict[str, Any] = {}
    monkeypatch.chdir(tmp_path)
    exec(with_evsim, known)
    free = made.phases[0].spikes["conv1"]
    assert (known["neuron"] == free.neuron).all()
    index = known["channel"] * 144 + known["row"] * 12 + known["column"]
    assert (index == free.neuron).all()
    assert known["time"].max() < 0.02
    assert known["raster"].shape == (40, 10)
    label = made.label
    assert len(known["sevens"].rows) == (label == 7)
    assert np.isnan(known["mean"]).all()

    monkeypatch.chdir(folder.path)
    exec(with_h5py, known)
    sent = [phase.spikes["conv1"] for phase in made.phases]
    assert (known["neuron"] == np.concatenate([spikes.neuron for spikes in sent])).all()
    count = np.concatenate([spikes.count for spikes in sent])
    assert (known["step"] == np.repeat(np.arange(40), count)).all()

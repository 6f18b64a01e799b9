"""What predictions are read from, and checks of the `readout` section."""

from __future__ import annotations

import re
from dataclasses import dataclass

from evsim import registry
from evsim.spec.faults import DATASETS, Faults, Scope, variants
from evsim.spec.schema import Network
from evsim.spec.source import Path

_PREDICT = re.compile(r"\s*(?:argmax\(\s*(\w+)\.(\w+)\s*\)|vote\(\s*(\w+)\s*\))\s*")


@dataclass(frozen=True)
class Prediction:
    """What `readout.predict` names.

    Attributes
    ----------
    variable : the largest of it says the class; "" where spikes of the population vote.
    """

    population: str
    variable: str

    @classmethod
    def of(cls, text: str) -> Prediction | None:
        """Return what a text names, None where it is no prediction."""
        found = _PREDICT.fullmatch(text)
        return cls(found[1] or found[3], found[2] or "") if found else None


def check_readout(faults: Faults, scope: Scope) -> None:
    """Check the `readout` section."""
    network, readout = faults.network, faults.network.readout
    if readout is None:
        return
    path: Path = ("readout", "predict")
    prediction = Prediction.of(readout.predict)
    if prediction is None:
        message = f"'{readout.predict}' is not a prediction."
        hint = "write 'argmax(population.variable)' or 'vote(population)'"
        faults.add(path, message, hint)
    elif prediction.variable:
        _check_largest(faults, scope, path, prediction)
    else:
        _check_vote(faults, scope, path, prediction.population)
    phases, test = network.protocol.phases, network.protocol.test
    if readout.after not in phases:
        faults.unknown(("readout", "after"), "phase", readout.after, phases)
    elif test is not None and readout.after not in test.phases:
        message = f"The test does not run phase '{readout.after}'."
        faults.add(("readout", "after"), message, "add it to `protocol.test.phases`")
    _check_label(faults, network)


def _check_label(faults: Faults, network: Network) -> None:
    assert network.readout is not None
    label = network.readout.label
    if network.data is None:
        faults.add(("readout",), "A readout needs `data` with labels.", key=True)
    elif network.data.name in variants(DATASETS):
        fields = getattr(registry.load(DATASETS, network.data.name), "FIELDS", {})
        if fields and label not in fields:
            what = f"field of data set '{network.data.name}':"
            faults.unknown(("readout", "label"), what, label, fields)
        elif fields.get(label, ()) != ():
            message = f"Field '{label}' of data set '{network.data.name}' holds no classes."
            faults.add(("readout", "label"), message)


def _check_largest(faults: Faults, scope: Scope, path: Path, prediction: Prediction) -> None:
    key = f"{prediction.population}.{prediction.variable}"
    found = scope.reference(faults, path, key)
    declared = scope.variables.get(prediction.population, {}).get(prediction.variable)
    if found is not None and declared is not None:
        if declared.kind == "subexpression":
            message = f"'{key}' follows from its equation and is not stored."
            faults.add(path, message, "compute it in a `run` slot")
        elif "shared" in declared.flags:
            faults.add(path, f"'{key}' is shared: it has one value, not one a class.")
    if faults.network.readout is not None and faults.network.readout.over is not None:
        message = "Only votes are taken over training trials."
        faults.add(("readout", "over"), message, "leave it out", key=True)


def _check_vote(faults: Faults, scope: Scope, path: Path, population: str) -> None:
    readout = faults.network.readout
    if population not in faults.network.populations:
        faults.unknown(path, "population", population, faults.network.populations)
    elif not scope.spiking(population):
        message = f"Population '{population}' sends no spikes that could vote."
        faults.add(path, message, "give its neuron a `threshold`")
    if readout is not None and "loss" in readout.metrics:
        at = readout.metrics.index("loss")
        message = "A vote has no loss."
        faults.add(("readout", "metrics", at), message, "leave it out; `error` stays")

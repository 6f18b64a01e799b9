"""The library of neuron models and plasticity rules, and how network files extend it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from evsim import registry
from evsim.models.base import Declared, NeuronModel, PlasticityModel, declarations

NEURONS = "evsim.models.neurons"
PLASTICITY = "evsim.models.plasticity"


class _Network(Protocol):
    @property
    def neurons(self) -> Mapping[str, Any]: ...

    @property
    def populations(self) -> Mapping[str, Any]: ...


class _Neuron(Protocol):
    @property
    def equations(self) -> str: ...


def neuron_model(name: str) -> NeuronModel:
    """Return a neuron model of the library.

    Raises
    ------
    InputError : there is none of that name.
    """
    model: NeuronModel = registry.load(NEURONS, name).NEURON
    return model


def plasticity_model(name: str) -> PlasticityModel:
    """Return a plasticity rule of the library.

    Raises
    ------
    InputError : there is none of that name.
    """
    model: PlasticityModel = registry.load(PLASTICITY, name).PLASTICITY
    return model


def neuron(network: _Network, population: str) -> NeuronModel:
    """Return the neuron of a population: the library's model with the file's fields over it.

    Raises
    ------
    InputError : the population names neither a neuron of the file nor one of the library.
    """
    name: str = network.populations[population].neuron
    entry = network.neurons.get(name)
    if entry is None:
        return neuron_model(name)
    base = neuron_model(entry.model) if entry.model else NeuronModel("")
    return NeuronModel(
        equations=entry.equations or base.equations,
        threshold=entry.threshold or base.threshold,
        reset=entry.reset or base.reset,
        refractory=entry.refractory or base.refractory,
        method=entry.method or base.method,
        run={**base.run, **entry.run},
        events={**base.events, **entry.events},
        on_event={**base.on_event, **entry.on_event},
        parameters={**base.parameters, **entry.parameters},
        reference=base.reference,
    )


def variables(neuron: _Neuron) -> dict[str, Declared]:
    """Return the variables that a neuron's equations declare.

    Raises
    ------
    ExpressionError : the equations cannot be read.
    """
    return declarations(neuron.equations)


__all__ = [
    "NEURONS",
    "PLASTICITY",
    "Declared",
    "NeuronModel",
    "PlasticityModel",
    "neuron",
    "neuron_model",
    "plasticity_model",
    "variables",
]

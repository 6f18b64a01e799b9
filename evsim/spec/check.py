"""Compare the sections of a network file with each other, as far as that needs no Brian2."""

from __future__ import annotations

from evsim.errors import Fault
from evsim.spec.arrays import check_arrays
from evsim.spec.data import check_data
from evsim.spec.faults import Faults, Scope
from evsim.spec.learned import check_learned
from evsim.spec.neurons import check_neurons
from evsim.spec.plasticity import check_plasticity
from evsim.spec.populations import check_populations
from evsim.spec.readout import check_readout
from evsim.spec.recorded import check_record
from evsim.spec.running import check_protocol, check_weights
from evsim.spec.schema import Network
from evsim.spec.wiring import check_projections


def check(network: Network) -> list[Fault]:
    """Return every contradiction in `network`; empty where there is none."""
    faults, scope = Faults(network), Scope(network)
    check_data(faults, scope)
    check_arrays(faults)
    check_neurons(faults, scope)
    check_populations(faults, scope)
    check_projections(faults, scope)
    check_plasticity(faults, scope)
    check_learned(faults, scope)
    check_weights(faults)
    check_protocol(faults, scope)
    check_readout(faults, scope)
    check_record(faults, scope)
    return faults.found

"""Integrate-and-fire neuron without leak.

The membrane potential `v` integrates `current` on the capacitance. Where it exceeds `v_threshold`
the neuron spikes and `v_threshold` is taken off, so that no charge is lost: a constant current I
gives the rate I/(capacitance*v_threshold), to within one spike however long the run.

References: L. Lapicque, Recherches quantitatives sur l'excitation électrique des nerfs traitée
comme une polarisation, Journal de Physiologie et de Pathologie Générale 1907; B. Rueckauer,
I.-A. Lungu, Y. Hu, M. Pfeiffer, S.-C. Liu, Conversion of continuous-valued deep networks to
efficient event-driven networks for image classification, Frontiers in Neuroscience 2017 (reset by
subtraction).
"""

from evsim.models.base import NeuronModel

NEURON = NeuronModel(
    equations="""\
dv/dt = current/capacitance : volt
current : amp
""",
    threshold="v > v_threshold",
    reset="v -= v_threshold",
    method="euler",
    parameters={"capacitance": "100*pF", "v_threshold": "20*mV"},
    reference="Lapicque 1907; Rueckauer et al. 2017, Frontiers in Neuroscience",
)

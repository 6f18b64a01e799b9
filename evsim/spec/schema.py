"""The language of network files, as data: one frozen class a section.

`Network` is what a file means once it is read: times and constants in SI values, names and code as
text, no arrays. `evsim.spec.parse` makes one from a file, `evsim.spec.check` compares its sections
with each other, `evsim.build` turns it into a `Plan`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PrivateAttr

from evsim.spec.source import Source
from evsim.spec.types import (
    RUN_NAME,
    Count,
    Expression,
    Name,
    Natural,
    Padding,
    Pair,
    Section,
    Time,
)


class Split(Section):
    """How many samples each part of the data has; validation is taken from the training set."""

    train: Natural | None = None
    validation: Natural = 0
    test: Natural | None = None


class Augment(Section):
    """How the images of a field are changed in trials that learn, anew in every epoch.

    `shift` is the largest shift in pixels, drawn for rows and for columns; `flip` mirrors half of
    the images.
    """

    shift: Annotated[int, Field(ge=0, le=1000)] = 0
    flip: Literal["none", "horizontal"] = "none"


class Data(Section):
    """Where trials come from: a data set and the variables that its fields set.

    `fields` maps `population.variable` to a field of the data set, `one_hot(field)`, or an
    expression over both with units; `augment` maps fields to changes of their images.
    """

    name: str
    subset: Literal["embedded", "full"] = "full"
    path: str | None = None
    split: Split = Split()
    fields: dict[str, Expression]
    augment: dict[str, Augment] = {}


def _check_table(value: Any) -> Any:
    rows = value if isinstance(value, tuple) else ()
    nested = [row for row in rows if isinstance(row, tuple)]
    numbers = [n for row in nested for n in row] if nested else rows
    even = len({len(row) for row in nested}) < 2 and len(nested) in (0, len(rows))
    plain = all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers)
    if not numbers or not even or not plain:
        raise ValueError("expected a list of numbers, or of lists of numbers that are equally long")
    return value


class Array(Section):
    """Values at times 0, dt, 2*dt and so on, which neuron code reads as Brian2's TimedArray.

    `file` is `x.npy`, `x.npz:name`, `x.h5:path` or `x.csv`, seen from the network file's folder.
    Values of one dimension are read as `name(t)`, those of two, (time, column), as `name(t, i)`.
    """

    file: str | None = None
    values: Annotated[
        tuple[float, ...] | tuple[tuple[float, ...], ...] | None, BeforeValidator(_check_table)
    ] = None
    dt: Time
    unit: Expression = "1"


class Neuron(Section):
    """A neuron model: Brian2 equations and the code that Brian2 runs around them.

    `model` names a neuron of evsim's library; fields given here replace the library's, entries of
    `run`, `events`, `on_event` and `parameters` one by one.
    """

    model: str | None = None
    equations: str = ""
    threshold: str | None = None
    reset: str | None = None
    refractory: str | None = None
    method: str | None = None
    run: dict[str, str] = {}
    events: dict[Name, str] = {}
    on_event: dict[Name, str] = {}
    parameters: dict[Name, Expression] = {}


class Spikes(Section):
    """Spikes that a population replays: from a file, listed, or where it has neither from data.

    `file` is `FILE.csv` with lines `time,neuron`, `FILE.npz` with arrays `time` and `neuron`,
    `FILE.h5:group` with such datasets, or `FILE:POPULATION` of a SONATA, NWB or exported CSV file;
    `unit` is that of its times where it does not say itself, by default seconds.
    """

    file: str | None = None
    unit: str | None = None
    times: tuple[Expression, ...] | None = None
    neurons: tuple[Natural, ...] | None = None
    period: Time | None = None


class Population(Section):
    """Neurons of one model in one shape, values that the data set, or spikes that are replayed."""

    shape: Annotated[tuple[Count, ...], Field(min_length=1, max_length=3)]
    neuron: str | None = None
    values: Name | None = None
    spikes: Spikes | None = None
    share: dict[Name, Literal["channel", "all"]] = {}
    init: dict[Name, Expression] = {}
    learn: dict[Name, str] = {}
    set: dict[Name, Expression] = {}


class Pool(Section):
    """Pooling after a convolution: of windows of places, by their average or by their maximum."""

    average: Pair | None = None
    max: Pair | None = None


class Projection(Section):
    """Weighted connections from one population to a variable of another."""

    name: Name
    from_: str = Field(alias="from")
    to: str
    kind: str
    kernel: Pair | None = None
    stride: Pair = (1, 1)
    padding: Padding = (0, 0)
    pool: Pool | None = None
    probability: Expression | None = None
    in_degree: Count | None = None
    pairs: tuple[tuple[Natural, Natural], ...] | None = None
    self_connections: bool = True
    delay: Expression | None = None
    delay_post: Expression | None = None
    sends: Literal["spikes", "value"] = "spikes"
    symmetric: bool = False
    feedback: Name | None = None
    weights: Expression | None = None
    normalise: Expression | None = None
    learn: str | None = None
    rate: Annotated[float, Field(gt=0)] | None = None


class Cosine(Section):
    """Rate along half a cosine from its start to `to` over the epochs."""

    to: Annotated[float, Field(ge=0)] = 0.0
    epochs: Count | None = None


class Step(Section):
    """Rate times `factor` every `every` epochs."""

    every: Count
    factor: Annotated[float, Field(gt=0)]


class Schedule(Section):
    """How a learning rate changes over the epochs."""

    cosine: Cosine | None = None
    step: Step | None = None


class Update(Section):
    """How the mean gradient of a batch moves the weights.

    `clip` is the largest Euclidean norm of a parameter's gradient; one above is scaled down to it.
    `decay` shrinks weights by rate*decay in each update, apart from the optimiser's step.
    """

    rule: Literal["sgd", "adam"] = "sgd"
    rate: Annotated[float, Field(gt=0)]
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    clip: Annotated[float, Field(gt=0)] | None = None
    decay: Annotated[float, Field(ge=0)] = 0.0
    schedule: Schedule = Schedule()


class Plasticity(Section):
    """How synapses change: Brian2 code at spikes, at a phase's end or in its every step.

    Code that adds to `g`, the direction in which w moves, says with `update` how the mean over a
    batch moves the weights. Code at spikes (`on_pre`, `on_post`) may also change `w` at once, and
    any variable that `equations` declare. It runs in passes that learn, unless it passes spikes on
    itself by adding to `target`, the variable that the projection's `to` names.

    `model` names a rule of evsim's library; what is given here replaces the library's, entries of
    mappings one by one.
    """

    model: str | None = None
    equations: str = ""
    on_pre: str | None = None
    on_post: str | None = None
    method: str | None = None
    parameters: dict[Name, Expression] = {}
    init: dict[Name, Expression] = {}
    at_end: dict[str, str] = {}
    every_step: dict[str, str] = {}
    update: Update | None = None


class Average(Section):
    """Variables whose mean over a phase's last `last` steps stands for them in `at_end` code."""

    variables: Annotated[tuple[Name, ...], Field(min_length=1)]
    last: Count


class Repeat(Section):
    """Phases that run again, going on from the state they reached, until a condition holds.

    The stretch ends with the phase that has this section and begins with `from` (itself, where
    left out). `until` is a condition over `spikes(population)`, the spikes of the last attempt;
    `set` changes constants from attempt to attempt.
    """

    from_: str | None = Field(default=None, alias="from")
    until: Expression
    set: dict[str, Expression] = {}
    at_most: Annotated[int, Field(gt=1, le=1000)]


class Phase(Section):
    """A stretch of a trial: where it starts, how long it runs, which values it sets."""

    steps: Count | None = None
    duration: Time | None = None
    from_: str | None = Field(default=None, alias="from")
    set: dict[str, Expression] = {}
    average: Average | None = None
    repeat: Repeat | None = None

    def count(self, dt: float) -> int:
        """Return the number of steps of `dt` seconds, 0 where the phase does not say it."""
        return self.steps or round((self.duration or 0.0) / dt)


class Settle(Section):
    """When a trial counts as settled at the end of a phase.

    The residual is the largest change of the variables between the phase's end and `window` steps
    before it; a trial has settled when it is at most `tolerance`. Phases named in `early` end with
    the first window after which that holds; windows are counted back from a phase's last step.
    """

    variables: Annotated[tuple[Name, ...], Field(min_length=1)]
    after: str
    early: tuple[str, ...] = ()
    window: Count = 10
    tolerance: Annotated[float, Field(gt=0)] = 0.05
    warn_above: Annotated[float, Field(gt=0, le=1)] = 0.25


class Test(Section):
    """Passes without learning over held-out parts of the data."""

    phases: Annotated[tuple[str, ...], Field(min_length=1)]
    split: Annotated[tuple[Literal["validation", "test"], ...], Field(min_length=1)] = ("test",)
    each: Literal["epoch", "run"] = "epoch"
    set: dict[str, Expression] = {}


class Protocol(Section):
    """What a trial is made of and how often it is run."""

    epochs: Natural = 1
    batch: Count = 1
    trials: Count | None = None
    order: Literal["shuffle", "sequential"] = "shuffle"
    keep: tuple[str, ...] = ()
    reduce: Literal["mean", "sum"] | None = None
    constants: dict[Name, Expression] = {}
    phases: Annotated[dict[Name, Phase], Field(min_length=1)]
    test: Test | None = None
    settle: Settle | None = None


class Readout(Section):
    """How a trial's prediction is read and compared with its label.

    `loss` is half the squared distance of the read variable from the one-hot label, or minus the
    logarithm of its value for the label, where it is a share of one.
    """

    predict: str
    after: str
    label: str
    over: Count | None = None
    loss: Literal["squared", "cross_entropy"] = "squared"
    metrics: tuple[Literal["error", "loss"], ...] = ("error",)


class EveryEpoch(Section):
    """How often something is recorded: in every `epoch`-th epoch, from the first."""

    epoch: Count = 1


class EveryTrial(EveryEpoch):
    """And of every `trial`-th trial of a pass, from its first."""

    trial: Count = 1


class EveryStep(EveryTrial):
    """And in every `step`-th step of a phase, from its first. A number alone is that of steps."""

    step: Count = 1


def _every_step(value: Any) -> Any:
    return {"step": value} if isinstance(value, int) and not isinstance(value, bool) else value


def _check_names(value: Any) -> Any:
    if value == "all" or (
        isinstance(value, tuple) and all(isinstance(name, str) for name in value)
    ):
        return value
    raise ValueError("expected `all` or a list of names")


def _check_numbers(value: Any) -> Any:
    items = value if isinstance(value, tuple) else (value,)
    whole = all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in items)
    if value == "all" or (whole and value != 0):
        return value
    raise ValueError("expected `all`, how many (from 1), or a list of numbers (from 0)")


Names = Annotated[Literal["all"] | tuple[str, ...], BeforeValidator(_check_names)]
Trials = Annotated[Literal["all"] | Count | tuple[Natural, ...], BeforeValidator(_check_numbers)]


class RecordSpikes(Section):
    """Which spikes are kept. `trials` N means the first N of each pass over a split."""

    populations: Names = "all"
    phases: Names = "all"
    trials: Trials = "all"
    every: EveryTrial = EveryTrial()
    encoding: Literal["plain", "compact"] = "plain"


class RecordStates(Section):
    """Which state variables are kept, and when."""

    population: str
    variables: Annotated[tuple[Name, ...], Field(min_length=1)]
    neurons: Trials = "all"
    phases: Names = "all"
    trials: Trials = "all"
    every: Annotated[
        EveryStep, BeforeValidator(_every_step, json_schema_input_type=Count | EveryStep)
    ] = EveryStep()
    when: Literal["start", "end"] = "start"


class RecordWeights(Section):
    """Which learned parameters are kept: `projection`, `population.variable`, or all."""

    parameters: Names = "all"
    every: EveryEpoch = EveryEpoch()


class Record(Section):
    """What a run writes to its recording besides metrics and the table of trials."""

    spikes: RecordSpikes | None = None
    states: tuple[RecordStates, ...] = ()
    weights: RecordWeights | None = None


class Weights(Section):
    """What a chip's memory does to weights whenever they are written.

    `grid` rounds every parameter to multiples of it. The rest concerns weights of projections:
    `bits` stores signed numbers of so many, up to `range` times the largest initial weight of the
    projection, or up to what `grid` gives; `noise` is the standard deviation of an error of
    writing, as a share of the largest weight; `mismatch` that of fixed factors around 1 by which
    weights act; `rounding` says how updates smaller than a step count.
    """

    grid: Expression | None = None
    bits: Annotated[int, Field(ge=2, le=32)] | None = None
    range: Annotated[float, Field(gt=0)] | None = None
    rounding: Literal["nearest", "stochastic"] = "nearest"
    noise: Annotated[float, Field(ge=0, le=1)] = 0.0
    mismatch: Annotated[float, Field(ge=0, le=1)] = 0.0


class Network(Section):
    """A whole network file."""

    name: Annotated[str, Field(pattern=RUN_NAME, max_length=64)]
    dt: Time
    seed: Annotated[int, Field(ge=0, lt=2**64)] = 0
    precision: Literal["float32", "float64"] = "float32"
    data: Data | None = None
    arrays: dict[Name, Array] = {}
    neurons: dict[Name, Neuron] = {}
    populations: Annotated[dict[Name, Population], Field(min_length=1)]
    projections: tuple[Projection, ...] = ()
    plasticity: dict[Name, Plasticity] = {}
    weights: Weights = Weights()
    protocol: Protocol
    readout: Readout | None = None
    record: Record = Record()

    _source: Source = PrivateAttr()

    @property
    def source(self) -> Source:
        """The text that this network was read from, with a mark on every field."""
        return self._source


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of network files, for editors that complete and check them."""
    schema = Network.model_json_schema(by_alias=True, mode="validation")
    schema["title"] = "evsim network file"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}

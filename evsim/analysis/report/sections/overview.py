"""What ran: file, command, versions, machine; the network's parts; the file's text."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

from evsim.analysis.report.blocks import Block, Facts, Folded, Grid, Note, Section, Text
from evsim.analysis.report.sections.base import columns
from evsim.analysis.report.subject import Subject
from evsim.recording.info import Info
from evsim.recording.space import readable
from evsim.spec.schema import Network, Plasticity
from evsim.wording import duration, number, some, times

ORDER = 10


def section(subjects: Sequence[Subject]) -> Section:
    """Return facts of each run, its network, and the folded text of its file."""
    about = "The runs, their networks and the files that describe them."
    if len(subjects) == 1:
        about = "The run, its network and the file that describes it."
    return Section("What ran", about, columns=columns(subjects, _blocks))


def _blocks(subject: Subject) -> Iterator[Block]:
    info = subject.run.info()
    yield Facts("Run", [(name, value) for name, value in _run(subject, info) if value])
    network = subject.network
    yield Facts("Settings", list(_settings(subject, info, network)))
    yield _populations(info, network)
    if network is not None and network.projections:
        yield _projections(info, network)
    if subject.fault:
        yield Note(subject.fault)
    if subject.text:
        yield Folded("Network file", [Text(subject.text)])


def _run(subject: Subject, info: Info) -> Iterator[tuple[str, str]]:
    manifest = subject.manifest
    machine, versions = _mapping(manifest.get("machine")), _mapping(manifest.get("versions"))
    yield "name", str(manifest.get("name", ""))
    yield "status", subject.status
    yield "started", f"{subject.started:%Y-%m-%d %H:%M} UTC" if subject.started else ""
    yield "wall time", f"{duration(subject.seconds)} in all passes" if subject.seconds else ""
    yield "folder", str(subject.run.path.parent)
    yield "recording", readable(info.file_bytes)
    yield "file", str(manifest.get("file", ""))
    command = manifest.get("command")
    yield "command", shlex.join(map(str, command)) if isinstance(command, list) else ""
    overrides = manifest.get("overrides")
    yield "overrides", "\n".join(map(str, overrides)) if isinstance(overrides, list) else ""
    yield "seed", str(manifest.get("seed", ""))
    yield "engine", str(manifest.get("engine", ""))
    yield "versions", ", ".join(f"{name} {version}" for name, version in versions.items())
    yield "commit", str(manifest.get("commit") or "")
    cores = f"{machine['cores']} cores" if machine.get("cores") else ""
    parts = (machine.get("cpu"), cores, machine.get("system"))
    yield "machine", ", ".join(str(part) for part in parts if part)


def _settings(subject: Subject, info: Info, network: Network | None) -> Iterator[tuple[str, str]]:
    layout = info.layout
    yield "time step", f"{number(1e3 * layout.dt)} ms"
    yield "precision", layout.precision
    lengths = [f"{p.name} {some(p.steps, 'step')}" for p in layout.phases]
    yield "phases", ", ".join(lengths)
    trials = [f"{name} {count:,}" for name, count in info.trials.items() if count]
    yield "trials run", ", ".join(trials) or "none"
    if network is not None:
        yield "epochs", f"{network.protocol.epochs}, batches of {network.protocol.batch}"
        if network.data is not None:
            yield "data", f"{network.data.name}, {network.data.subset}"
            fields = [f"{target} = {text}" for target, text in network.data.fields.items()]
            yield "fields", "\n".join(fields)
        if network.plasticity:
            rules = [f"{name}: {_rule(rule)}" for name, rule in network.plasticity.items()]
            yield "learning", "\n".join(rules)
        if network.protocol.constants:
            constants = [f"{name} = {text}" for name, text in network.protocol.constants.items()]
            yield "constants", "\n".join(constants)
        if network.readout is not None:
            yield "prediction", f"{network.readout.predict} after {network.readout.after}"
    spikes = f"{some(info.recorded, 'trial')}, {layout.encoding}" if layout.spikes else "none"
    yield "spikes kept", spikes


def _rule(rule: Plasticity) -> str:
    parts = [rule.model] if rule.model else []
    if rule.update is not None:
        parts.append(f"{rule.update.rule}, rate {rule.update.rate:g}")
    moments = [*(["spikes"] if rule.on_pre or rule.on_post else []), *rule.at_end]
    return ", ".join(parts) or f"code at {', '.join([*moments, *rule.every_step])}"


def _populations(info: Info, network: Network | None) -> Grid:
    rows = []
    for population in info.layout.populations:
        kept = info.spikes.get(population.name)
        known = network.populations.get(population.name) if network else None
        what = ""
        if known is not None:
            what = known.neuron or (f"values {known.values}" if known.values else "replayed spikes")
        shape = times(population.shape)
        rows.append((population.name, what or "–", shape, population.size, kept))
    head = ("population", "neuron", "shape", "neurons", "spikes kept")
    return Grid("Populations", head, rows)


def _projections(info: Info, network: Network) -> Grid:
    shapes = {parameter.name: times(parameter.shape) for parameter in info.layout.parameters}
    rows = [
        (
            projection.name,
            f"{projection.from_} → {projection.to}",
            projection.kind + (", symmetric" if projection.symmetric else ""),
            projection.learn or "–",
            shapes.get(projection.name, "–"),
        )
        for projection in network.projections
    ]
    head = ("projection", "from → to", "kind", "learns by", "weights kept")
    return Grid("Projections", head, rows)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}

"""A summary of a recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evsim.recording.layout import Layout
from evsim.recording.space import readable
from evsim.wording import large

_LINES = 12


@dataclass(frozen=True)
class Info:
    """What a recording holds; `str` of it is for people.

    Attributes
    ----------
    closed : False while the run goes on, or when it was killed.
    manifest : of the run's folder; empty without.
    spikes : population -> spikes kept.
    spike_bytes : what spikes take in the file, bytes.
    trials : split -> trials.
    recorded : trials whose spikes are kept.
    weight_epochs : epochs done when weights were kept.
    metrics : lines of metrics.
    """

    path: Path
    closed: bool
    manifest: Mapping[str, Any]
    layout: Layout
    spikes: Mapping[str, int]
    spike_bytes: int
    trials: Mapping[str, int]
    recorded: int
    weight_epochs: tuple[int, ...]
    metrics: tuple[Mapping[str, Any], ...]
    file_bytes: int

    def __str__(self) -> str:
        status = str(self.manifest.get("status", ""))
        if not self.closed:
            status = f"{status}, not closed: running, or killed".removeprefix(", ")
        head = self.path.parent if self.manifest else self.path
        lines = [str(head), *_line("status", status), *self._machine()]
        lines += _line("trials", _listing({k: v for k, v in self.trials.items() if v}))
        lines += _line("phases", _listing({p.name: p.steps for p in self.layout.phases}, " steps"))
        lines += _line("time step", f"{self.layout.dt:g} s")
        lines += _line("file", f"{self.path.name}, {readable(self.file_bytes)}")
        lines += [*self._populations(), *self._kept(), *self._metrics(), *self._costs()]
        return "\n".join(lines)

    def _machine(self) -> list[str]:
        fields = ("name", "engine", "seed")
        return [line for f in fields if f in self.manifest for line in _line(f, self.manifest[f])]

    def _populations(self) -> list[str]:
        lines = ["", f"{'population':<14}{'shape':<16}{'spikes kept':>14}"]
        for population in self.layout.populations:
            shape = " x ".join(map(str, population.shape))
            kept = f"{self.spikes[population.name]:,}" if population.name in self.spikes else "-"
            lines.append(f"{population.name:<14}{shape:<16}{kept:>14}")
        total = sum(self.spikes.values())
        if total:
            each = f"{self.spike_bytes / total:.2f} bytes a spike"
            trials = "1 trial" if self.recorded == 1 else f"{self.recorded} trials"
            lines.append(f"{self.layout.encoding} encoding of {trials}, {each}")
        return lines

    def _kept(self) -> list[str]:
        lines = []
        for entry in self.layout.states:
            names = ", ".join(variable.name for variable in entry.variables)
            every = "every step" if entry.every == 1 else f"every {entry.every} steps"
            lines.append(f"{entry.population:<14}{names}, {every}")
        if lines:
            lines = ["", "states", *lines]
        if self.layout.parameters:
            lines += ["", f"{'parameter':<14}shape"]
            for parameter in self.layout.parameters:
                shape = " x ".join(map(str, parameter.shape)) or "one value"
                lines.append(f"{parameter.name:<14}{shape}")
            lines.append(f"kept after epochs {', '.join(map(str, self.weight_epochs)) or '(none)'}")
        return lines

    def _metrics(self) -> list[str]:
        columns = [c for c in ("error", "loss") if any(c in row for row in self.metrics)]
        if not columns:
            return []
        lines = ["", f"{'epoch':<7}{'split':<12}" + "".join(f"{name:>10}" for name in columns)]
        for row in self.metrics[-_LINES:]:
            cells = "".join(f"{_cell(name, row.get(name)):>10}" for name in columns)
            lines.append(f"{int(row.get('epoch', 0)) + 1:<7}{row.get('split', '')!s:<12}{cells}")
        return lines

    def _costs(self) -> list[str]:
        """Return what a trial of the last passes costs, by NeuroBench's names."""
        rows = {row["split"]: row for row in self.metrics if "synaptic_operations" in row}
        if not rows:
            return []
        lines = ["", "cost of a trial, mean of the last pass"]
        for split, row in rows.items():
            counts = row["synaptic_operations"]
            silent = f"{100 * row['activation_sparsity']:.2f} %"
            lines += [
                f"{split:<14}{large(row['spikes'] / max(row['trials'], 1))} spikes, activation "
                f"sparsity {silent}, footprint {readable(row['footprint'])}",
                f"{'':<14}{large(counts['acs'])} accumulations and {large(counts['macs'])} "
                f"multiplications of {large(counts['dense'])} if all neurons sent in every step",
            ]
        return lines


def _cell(column: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.2f} %" if column == "error" else f"{value:.4f}"


def _line(name: str, value: object) -> list[str]:
    return [f"{name:<11}{value}"] if value not in ("", None) else []


def _listing(counts: Mapping[str, int], unit: str = "") -> str:
    return ", ".join(f"{name} {number:,}{unit}" for name, number in counts.items())

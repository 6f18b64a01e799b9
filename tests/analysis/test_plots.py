"""Figures come out as pictures, or as an error that says what is missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from evsim import registry
from evsim.analysis.convergence import typical_trials
from evsim.analysis.figures import accuracy
from evsim.analysis.plots import FIGURES, plot
from evsim.engines.base import Spikes
from evsim.errors import EvsimError, InputError, RecordingError, RunError
from evsim.recording.layout import Layout, Parameter
from evsim.recording.reader import Run, open_run
from evsim.recording.writer import Writer
from tests.recording.helpers import LAYOUT, PLAIN, parameters, trial

WITH_KERNELS = replace(
    LAYOUT,
    parameters=(*LAYOUT.parameters, Parameter("k1", (4, 1, 3, 3)), Parameter("in", (64, 5))),
)

OF_NETWORKS = {"receptive_fields", "stdp_window"}
"""Figures that need the run's network file: drawn in the tests of what they show."""


def write(path: Path, layout: Layout) -> None:
    random = np.random.default_rng(0)
    with Writer.create(path, layout, {}) as writer:
        writer.weights(0, parameters(random, layout))
        for epoch in range(2):
            for i in range(3):
                writer.trial(trial(random, i, layout, epoch=epoch))
            writer.trial(trial(random, 0, layout, ("free",), "test", epoch))
            writer.weights(epoch + 1, parameters(random, layout))
            for split in ("train", "test"):
                writer.metrics({"epoch": epoch, "split": split, "error": 0.5 - 0.2 * epoch})


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    write(tmp_path / "recording.h5", WITH_KERNELS)
    with open_run(tmp_path) as opened:
        yield opened


def assert_drawn(path: Path) -> None:
    """A PNG of some size, with more than one colour in it."""
    picture = imread(path)
    assert min(picture.shape[:2]) > 150
    assert len(np.unique(picture.reshape(-1, picture.shape[2]), axis=0)) > 20


@pytest.mark.parametrize("what", sorted({*registry.names(FIGURES)} - OF_NETWORKS))
def test_every_figure_is_a_picture(run: Run, tmp_path: Path, what: str) -> None:
    out = tmp_path / f"{what}.png"
    plot(run, what, out)
    assert_drawn(out)


def test_the_raster_is_of_the_trial_asked_for(run: Run, tmp_path: Path) -> None:
    for row in (0, 3):
        plot(run, "raster", tmp_path / f"{row}.png", trial=row)
        assert_drawn(tmp_path / f"{row}.png")
    assert (tmp_path / "0.png").read_bytes() != (tmp_path / "3.png").read_bytes()
    with pytest.raises(RecordingError, match="No trial 99"):
        plot(run, "raster", tmp_path / "x.png", trial=99)


@pytest.mark.parametrize("what", ["raster", "rates"])
def test_a_trial_without_spikes_cannot_be_drawn(tmp_path: Path, what: str) -> None:
    random = np.random.default_rng(0)
    with Writer.create(tmp_path / "recording.h5", LAYOUT, {}) as writer:
        writer.trial(trial(random, 0, LAYOUT))
        writer.trial(trial(random, 1, LAYOUT, ()))
    with open_run(tmp_path) as run, pytest.raises(EvsimError, match="trial 1"):
        plot(run, what, tmp_path / "x.png", trial=1)


@pytest.mark.parametrize(
    ("what", "lacks"),
    [
        ("raster", "no spikes to draw"),
        ("accuracy", "no errors to draw"),
        ("convergence", "no residuals and spikes to draw"),
        ("weights", "no weights to draw"),
        ("rates", "no spikes to draw"),
        ("confusion", "no predictions of labelled trials to draw"),
        ("receptive_fields", "no spikes that answer to images to draw"),
        ("stdp_window", "no weights that change at spikes to draw"),
    ],
)
def test_what_a_recording_lacks_is_named(tmp_path: Path, what: str, lacks: str) -> None:
    bare = replace(LAYOUT, spikes=(), states=(), parameters=())
    with Writer.create(tmp_path / "recording.h5", bare, {}) as writer:
        writer.metrics({"epoch": 0, "split": "train"})
    with open_run(tmp_path) as run, pytest.raises(InputError, match=lacks):
        plot(run, what, tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()


def test_silence_and_sameness_can_be_drawn(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    with Writer.create(tmp_path / "recording.h5", PLAIN, {}) as writer:
        record = trial(random, 0, PLAIN, activity=0.0)
        writer.trial(replace(record, residual=0.0, label=-1, predicted=-1))
        writer.weights(0, {p.name: np.zeros(p.shape) for p in PLAIN.parameters})
    with open_run(tmp_path) as run:
        for what in ("raster", "convergence", "weights", "rates"):
            plot(run, what, tmp_path / f"{what}.png")
            assert_drawn(tmp_path / f"{what}.png")


def test_a_figure_can_be_svg(run: Run, tmp_path: Path) -> None:
    plot(run, "rates", tmp_path / "rates.svg")
    text = (tmp_path / "rates.svg").read_text()
    assert text.startswith("<?xml") and text.rstrip().endswith("</svg>")


@pytest.mark.parametrize("name", ["rates.bar", "rates"])
def test_a_file_of_an_unknown_kind_is_refused(run: Run, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"known: \.png, \.svg"):
        plot(run, "rates", tmp_path / name)
    assert not (tmp_path / name).exists()


def test_capital_letters_name_the_same_kinds(run: Run, tmp_path: Path) -> None:
    plot(run, "rates", tmp_path / "rates.SVG")
    assert (tmp_path / "rates.SVG").read_text().startswith("<?xml")


def test_a_trial_of_a_figure_that_is_not_of_one_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="'weights' is not of one trial.\\n *these are: raster, rates"
    ):
        plot(run, "weights", tmp_path / "x.png", trial=3)


@pytest.mark.parametrize("errors", [(0.9, 0.895), (0.0, 0.0)])
def test_the_largest_error_has_room_above_it(tmp_path: Path, errors: tuple[float, float]) -> None:
    with Writer.create(tmp_path / "recording.h5", LAYOUT, {}) as writer:
        for epoch, error in enumerate(errors):
            writer.metrics({"epoch": epoch, "split": "train", "error": error})
    figure = Figure()
    with open_run(tmp_path) as run:
        accuracy.draw(run, figure, None)
    (panel,) = figure.axes
    bottom, top = panel.get_ylim()
    assert (bottom, top - 100 * max(errors) > 0.04 * top) == (0, True)


def test_an_unknown_figure_is_named_with_the_closest(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'raster'"):
        plot(run, "rastr", tmp_path / "out.png")


def test_missing_matplotlib_says_what_to_install(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match=r"pip install 'evsim\[plot\]'"):
        plot(run, "raster", tmp_path / "out.png")


def test_a_place_that_cannot_be_written_is_an_error(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="Cannot write to"):
        plot(run, "accuracy", tmp_path / "missing" / "out.png")


def test_trials_that_end_at_different_steps_are_drawn(tmp_path: Path) -> None:
    """As `protocol.settle.early` leaves them: those of the commonest length."""
    random, path = np.random.default_rng(1), tmp_path / "recording.h5"
    with Writer.create(path, PLAIN, {}) as writer:
        for i, kept in enumerate((20, 12, 12)):
            made = trial(random, i, PLAIN, ("free",))
            (free,) = made.phases
            spikes = {
                name: Spikes(sent.count[:kept], sent.neuron[: sent.count[:kept].sum()])
                for name, sent in free.spikes.items()
            }
            short = replace(free, steps=kept, spikes=spikes, states={})
            writer.trial(replace(made, phases=(short,)))
    with open_run(path) as run:
        assert typical_trials(run) == [1, 2]
        for what in ("rates", "raster"):
            plot(run, what, tmp_path / f"{what}.png")
            assert_drawn(tmp_path / f"{what}.png")

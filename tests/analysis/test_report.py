"""A report is one HTML page that shows what recordings hold and says what they lack."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evsim.analysis.report import page
from evsim.analysis.report.blocks import Packed
from evsim.errors import RunError
from evsim.recording.folder import RunFolder
from evsim.recording.layout import Parameter, Population
from evsim.recording.reader import open_run
from evsim.recording.writer import Writer
from tests.helpers import tiny
from tests.helpers.process import evsim as command
from tests.helpers.reports import BARE, LARGE, NETWORK, html, make
from tests.recording.helpers import LAYOUT, trial


class Page(HTMLParser):
    """What a page consists of: its elements, the texts in them, and the data of its figures."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        if self.elements:
            self.texts.append((self.elements[-1][0], data))

    def count(self, tag: str) -> int:
        return sum(found == tag for found, _ in self.elements)

    @property
    def words(self) -> str:
        hidden = ("script", "style")
        return " ".join(" ".join(t for tag, t in self.texts if tag not in hidden).split())

    @property
    def data(self) -> list[dict[str, Any]]:
        return [json.loads(text) for tag, text in self.texts if tag == "script" and text[:1] == "{"]


def unpacked(packed: dict[str, str]) -> np.ndarray:
    return np.frombuffer(
        base64.b64decode(packed["data"]), np.dtype(packed["type"]).newbyteorder("<")
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    tiny.write(tmp_path)
    return make(tmp_path)


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Page]:
    """A run that no test changes, and its page."""
    root = tmp_path_factory.mktemp("still")
    tiny.write(root)
    run = make(root)
    return run, Page(html(run))


def test_the_page_says_what_ran_and_how_it_went(still: tuple[Path, Page]) -> None:
    _, found = still
    for words in (
        "command evsim run tiny.yaml",
        "seed 3",
        "versions evsim 0.1",
        "status finished",
        "wall time 6 s",
        "hidden unit 2 × 2 × 2 8",
        "k image.u → hidden.drive conv contrast 2 × 1 × 3 × 3",
        "out hidden → digit.received dense, symmetric",
        "learning contrast: contrast, adam, rate 0.005",
        "free 20 steps, plus 10 steps, minus 10 steps",
        "error 25.00 % 25.00 %",
        "accuracy 75.00 % 75.00 %",
    ):
        assert words in found.words, words
    assert ("pre", tiny.NETWORK) in found.texts


def test_spikes_are_those_of_the_recording(still: tuple[Path, Page]) -> None:
    run, found = still
    (raster,) = (data for data in found.data if "trials" in data)
    assert (raster["unit"], raster["step"]) == ("ms", pytest.approx(1.0))
    with open_run(run) as opened:
        last = opened.trials["epoch"] == 1
        for shown in raster["trials"]:
            row = int(re.match(r"trial (\d+):", shown["title"])[1])
            assert last[row]
            assert {n: (b, e) for n, b, e in shown["phases"]} == opened.phases(row)
            for population in shown["populations"]:
                trains = opened.spikes(population["population"], row)
                step, neuron = trains.step, trains.neuron
                assert unpacked(population["step"]).tolist() == step.tolist()
                assert unpacked(population["neuron"]).tolist() == neuron.tolist()
                assert population["shown"] == population["total"] == len(step)
        chosen = opened.trials[[int(t["title"].split()[1][:-1]) for t in raster["trials"]]]
    wrong = chosen["label"] != chosen["predicted"]
    assert set(zip(chosen["split"].tolist(), wrong.tolist(), strict=True)) == {
        (split, failed) for split in ("train", "test") for failed in (False, True)
    }, "of each split one trial that went right and one that went wrong"


def test_a_large_trial_is_cut_by_neurons_and_the_page_says_so(tmp_path: Path) -> None:
    run = make(tmp_path, layout=LARGE, activity=0.8)
    text = html(run)
    found = Page(text)
    (raster,) = (data for data in found.data if "trials" in data)
    with open_run(run) as opened:
        for shown in raster["trials"]:
            row = int(shown["title"].split()[1][:-1])
            hidden = next(p for p in shown["populations"] if p["population"] == "hidden")
            trains = opened.spikes("hidden", row)
            step, neuron = trains.step, trains.neuron
            assert hidden["total"] == len(step)
            kept = np.unique(unpacked(hidden["neuron"]))
            mask = np.isin(neuron, kept)
            assert unpacked(hidden["step"]).tolist() == step[mask].tolist(), (
                "all of a neuron or none"
            )
            assert (
                90_000 < sum(p["shown"] for p in shown["populations"]) <= 100_000
                or len(step) < 100_000
            )
    assert (
        "Of a trial with more than 100,000 spikes, those of some neurons are shown" in found.words
    )
    assert len(text) < 3_000_000


def test_mistakes_are_pictured_from_the_data(still: tuple[Path, Page]) -> None:
    _, found = still
    pictures = [d for d in found.data if "signed" in d and not d["signed"]]
    assert {d["title"] for d in pictures} == {"0 predicted as 1", "1 predicted as 2"}
    (one,) = (d for d in pictures if d["title"] == "0 predicted as 1")
    values = unpacked(one["values"]).reshape(one["shape"])
    # Test samples 3 and 7 went wrong; 3 has the label 0.
    images = tiny.arrays()["test_x"][[3, 7]]
    scaled = 255 * (images - images.min()) / np.ptp(images)
    assert values == pytest.approx(scaled[:1], abs=1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda root: (root / "data.npz").unlink(), "data.npz"),
        (
            lambda root: np.savez(root / "data.npz", **_relabelled()),
            "the data set is not what it was when the run was made",
        ),
        (
            lambda root: np.savez(root / "data.npz", **_flat()),
            "no field of the data set is a picture",
        ),
    ],
)
def test_mistakes_without_pictures_have_a_reason(
    run: Path, tmp_path: Path, change: Any, reason: str
) -> None:
    change(tmp_path)
    found = Page(html(run))
    assert "The commonest mistakes are not pictured: " in found.words
    assert reason in found.words


def _relabelled() -> dict[str, np.ndarray]:
    return {n: (v + 1) % 3 if n.endswith("kind") else v for n, v in tiny.arrays().items()}


def _flat() -> dict[str, np.ndarray]:
    return {n: v[:, :3, 0] if n.endswith("_x") else v for n, v in tiny.arrays().items()}


def test_several_runs_are_compared(tmp_path: Path) -> None:
    tiny.write(tmp_path)
    runs = [
        make(tmp_path, overrides=[f"plasticity.contrast.update.rate={rate}"], seed=3)
        for rate in ("0.01", "0.02", "0.04")
    ]
    found = Page(html(*runs))
    assert "plasticity.contrast.update.rate 0.01 0.02 0.04" in found.words
    assert "protocol.epochs" not in found.words, "only what differs"
    assert "Outcome, test" in found.words
    error = next(data for data in found.data if data.get("title") == "Error")
    assert len(error["lines"]) == 6, "a line a run and split in one chart"
    labels = {f"tiny {run.name.rpartition('-')[2]}" for run in runs}
    columns = [text for tag, text in found.texts if tag == "h3" and text.strip()]
    assert set(columns) == labels
    assert all(columns.count(label) == columns.count(columns[0]) for label in labels)


def test_a_run_beside_itself_has_two_labels(run: Path) -> None:
    labels = {text for tag, text in Page(html(run, run)).texts if tag == "h3" and text.strip()}
    assert len(labels) == 2


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    Writer.create(tmp_path / "recording.h5", BARE, {}).close()
    found = Page(html(tmp_path))
    for words in (
        "The network file does not lie beside the recording.",
        "No pass is complete, so there are no metrics.",
        "No spikes were recorded",
        "No residuals were measured and no states recorded",
        "No weights were recorded",
        "No trial has both a label and a prediction.",
        "The recording holds nothing to measure.",
    ):
        assert words in found.words
    assert found.data == []


def test_a_file_that_is_no_network_any_more_is_shown_with_the_reason(tmp_path: Path) -> None:
    run = make(tmp_path, text="name: tiny\nold: 1\n")
    found = Page(html(run))
    assert "cannot be read by this version of evsim" in found.words
    assert ("pre", "name: tiny\nold: 1\n") in found.texts


def test_trials_that_end_early_do_not_stop_the_page(tmp_path: Path) -> None:
    short = replace(LAYOUT, phases=tuple(replace(p, steps=p.steps // 2) for p in LAYOUT.phases))
    with Writer.create(tmp_path / "recording.h5", LAYOUT, {}) as writer:
        for index, layout in enumerate([LAYOUT, LAYOUT, short]):
            writer.trial(trial(np.random.default_rng(index), index, layout))
    assert "Mean of 2 trials of the last epoch." in Page(html(tmp_path)).words


HOSTILE = "<script>alert('x')</script>&\"'<!--]]>"


def test_names_and_texts_cannot_become_elements(tmp_path: Path) -> None:
    tiny.write(tmp_path)
    tame = Page(html(make(tmp_path, overrides=["seed=1"])))
    layout = replace(
        NETWORK,
        populations=(*NETWORK.populations[:2], Population(HOSTILE, (3,))),
        spikes=("hidden", HOSTILE),
        states=(replace(NETWORK.states[0], population=HOSTILE),),
        parameters=(NETWORK.parameters[0], Parameter("a" + HOSTILE.replace("/", ""), (8, 3))),
    )
    text = tiny.NETWORK + f"# {HOSTILE}\n"
    wild = Page(
        html(make(tmp_path, HOSTILE, text, layout, command=[HOSTILE], overrides=[], commit=HOSTILE))
    )
    assert wild.count("script") == tame.count("script")
    assert ("h1", HOSTILE) in wild.texts
    assert ("pre", text) in wild.texts
    assert any(
        p["population"] == HOSTILE
        for d in wild.data
        if "trials" in d
        for p in d["trials"][0]["populations"]
    )


@given(values=st.lists(st.integers(-127, 127)) | st.lists(st.integers(0, 2**32 - 1)))
def test_packed_numbers_come_back(values: list[int]) -> None:
    packed = Packed.of(np.array(values, np.int64))
    assert unpacked({"type": packed.type, "data": packed.data}).tolist() == values
    assert packed.type in ("int8", "uint8", "uint16", "uint32"), "what the page can read"


@settings(max_examples=8, deadline=None)
@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=60))
def test_any_network_text_is_shown_as_it_is(tmp_path_factory: Any, text: str) -> None:
    root = tmp_path_factory.mktemp("any")
    folder = RunFolder.create(root, "runs", text, {"name": text})
    Writer.create(folder.recording, BARE, {}).close()
    found = Page(html(folder.path))
    shown = "".join(data for tag, data in found.texts if tag == "pre")
    assert shown.lstrip("\n").rstrip() == text.removeprefix("\ufeff").lstrip("\n").rstrip()
    assert found.count("script") == 1


def test_the_page_asks_for_nothing(still: tuple[Path, Page]) -> None:
    _, found = still
    links = [
        value
        for _, names in found.elements
        for name, value in names.items()
        if name in ("src", "href")
    ]
    assert all(link.startswith(("#", "data:")) for link in links)
    policy = next(
        names["content"]
        for tag, names in found.elements
        if names.get("http-equiv") == "Content-Security-Policy"
    )
    assert "default-src 'none'" in policy


def test_the_command_writes_a_page(run: Path, tmp_path: Path) -> None:
    done = command("report", run)
    assert done.code == 0, done.err
    assert done.out.strip() == str(run / "report.html")
    assert (run / "report.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    both = command("report", run, tmp_path / "runs", "--out", tmp_path / "both.html")
    assert both.code == 0, both.err
    assert "2 runs compared" in (tmp_path / "both.html").read_text("utf-8")


def test_the_commands_errors_are_clean(run: Path, tmp_path: Path) -> None:
    missing = command("report", run, tmp_path / "nowhere")
    assert missing.code == 2 and f"No run at '{tmp_path / 'nowhere'}'" in missing.err
    assert not (run / "comparison.html").exists()
    for out in (tmp_path / "no" / "folder.html", tmp_path):
        failed = command("report", run, "--out", out)
        assert failed.code == 1 and f"Cannot write to '{out}'" in failed.err
        assert "Traceback" not in failed.err
    with open_run(run) as opened, pytest.raises(RunError, match="Cannot write to"):
        page.write([opened], tmp_path / "no" / "folder.html")

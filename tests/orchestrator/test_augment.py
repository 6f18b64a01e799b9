"""Images that are shifted and mirrored before they are learned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evsim import simulate
from evsim.build.build import build
from evsim.datasets import Augmentation
from evsim.errors import EvsimError
from evsim.orchestrator.samples import Samples
from tests.helpers import tiny

MOVED = "data.augment={x: {shift: 2, flip: horizontal}}"


def samples(folder: Path, *overrides: str) -> Samples:
    network = simulate.load(tiny.write(folder), overrides)
    return simulate.open_samples(network, build(network), None, folder)


def image(found: Samples, split: str, index: int, epoch: int | None) -> np.ndarray:
    return found.inputs(split, index, epoch)["image", "u"].reshape(6, 6)


@given(
    shift=st.integers(0, 9),
    flip=st.booleans(),
    seed=st.integers(0, 99),
    shape=st.tuples(st.integers(1, 2), st.integers(1, 7), st.integers(1, 7)),
)
def test_an_image_is_one_of_its_shifts(
    shift: int, flip: bool, seed: int, shape: tuple[int, ...]
) -> None:
    picture = 1 + np.arange(np.prod(shape)).reshape(shape)
    found = Augmentation(shift, flip).apply(picture, np.random.default_rng(seed))
    assert found.shape == shape
    wide = np.pad(picture, ((0, 0), (shift, shift), (shift, shift)))
    rows, columns = shape[1:]
    windows = [
        wide[:, r : r + rows, c : c + columns] for r, c in np.ndindex(2 * shift + 1, 2 * shift + 1)
    ]
    candidates = windows + [window[..., ::-1] for window in windows] * flip
    assert any((found == window).all() for window in candidates)


def test_every_shift_and_both_sides_occur() -> None:
    picture = np.zeros((5, 5), int)
    picture[2, 1] = 1
    change = Augmentation(1, True)
    seen = {
        tuple(np.argwhere(change.apply(picture, np.random.default_rng(seed)))[0].tolist())
        for seed in range(300)
    }
    assert seen == {(r, c) for r in (1, 2, 3) for c in (0, 1, 2, 2, 3, 4)}


def test_changes_depend_on_seed_epoch_and_sample(tmp_path: Path) -> None:
    one, again = samples(tmp_path / "one", MOVED), samples(tmp_path / "again", MOVED)
    other = samples(tmp_path / "other", MOVED, "seed=8")
    for index in range(5):
        assert (image(one, "train", index, 1) == image(again, "train", index, 1)).all()
    same = [
        np.array_equal(image(one, "train", n, 0), image(found, "train", n, epoch))
        for n in range(20)
        for found, epoch in ((one, 1), (other, 0))
    ]
    assert np.mean(same) < 0.2


def test_tests_see_images_as_they_are(tmp_path: Path) -> None:
    still = [f"plasticity.{name}.update={{rate: 1e-30}}" for name in ("contrast", "bias_contrast")]
    still.append("protocol.epochs=1")
    moved = tiny.run(tiny.write(tmp_path / "moved"), tmp_path / "moved", *still, MOVED)
    plain = tiny.run(tiny.write(tmp_path / "plain"), tmp_path / "plain", *still)
    train, *held_out = zip(moved.metrics, plain.metrics, strict=True)
    assert train[0]["loss"] != train[1]["loss"]
    assert [m["loss"] == p["loss"] for m, p in held_out] == [True, True]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("data.augment={y: {shift: 1}}", "Field 'y' sets nothing"),
        ("data.augment={x: {shift: -1}}", "at least 0, not -1"),
        ("data.augment={x: {flip: vertical}}", "horizontal"),
    ],
)
def test_changes_that_mean_nothing_are_refused(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(EvsimError, match=message):
        simulate.load(tiny.write(tmp_path), [change])

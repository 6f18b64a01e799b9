from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from evsim.datasets import read_field
from evsim.datasets.base import Dataset, split, stratified_order
from evsim.errors import DataError
from evsim.expressions import ExpressionError

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=200).map(np.array)


def made_of(labels: np.ndarray, test: int = 20) -> Dataset:
    return Dataset(
        "own",
        {
            "train": {"x": np.arange(len(labels)), "labels": labels},
            "test": {"x": np.arange(test), "labels": np.zeros(test, np.uint8)},
        },
    )


@given(LABELS, st.integers(0, 2**32 - 1))
def test_stratified_order_holds_every_sample_once(labels: np.ndarray, seed: int) -> None:
    assert_array_equal(np.sort(stratified_order(labels, seed)), np.arange(len(labels)))


@given(LABELS, st.integers(0, 2**32 - 1), st.data())
def test_every_beginning_has_the_classes_in_proportion(
    labels: np.ndarray, seed: int, data: st.DataObject
) -> None:
    count = data.draw(st.integers(0, len(labels)))
    drawn = labels[stratified_order(labels, seed)[:count]]
    classes = np.unique(labels)
    for label in classes:
        share = np.mean(labels == label)
        assert abs(np.sum(drawn == label) - share * count) <= 1 + share * len(classes)


def test_order_is_the_same_for_all_time() -> None:
    assert_array_equal(
        stratified_order(np.arange(12) % 3, 7), [0, 7, 2, 3, 10, 5, 6, 1, 11, 9, 4, 8]
    )


def test_seed_changes_the_draw() -> None:
    labels = np.zeros(100, int)
    assert not np.array_equal(stratified_order(labels, 1), stratified_order(labels, 2))


@given(LABELS, st.data())
def test_parts_are_disjoint_and_of_the_size_asked_for(
    labels: np.ndarray, data: st.DataObject
) -> None:
    validation = data.draw(st.integers(0, len(labels)))
    train = data.draw(st.none() | st.integers(0, len(labels) - validation))
    parts = split(made_of(labels), train, validation, 5)
    held_out, trained = parts.indices["validation"], parts.indices["train"]
    assert not set(held_out) & set(trained)
    assert parts.size("validation") == validation
    assert parts.size("train") == (len(labels) - validation if train is None else train)
    assert parts.size("test") == 5


def test_held_out_samples_do_not_depend_on_the_training_size() -> None:
    dataset = made_of(np.arange(100) % 10)
    few, many = (split(dataset, train, 20, None).indices for train in (30, 80))
    assert_array_equal(few["validation"], many["validation"])
    assert set(few["train"]) < set(many["train"])


def test_all_samples_come_in_the_order_of_the_file() -> None:
    parts = split(made_of(np.arange(50) % 3), None, 0, None)
    assert_array_equal(parts.indices["train"], np.arange(50))
    assert_array_equal(parts.indices["test"], np.arange(20))


def test_asking_for_too_much_says_what_there_is() -> None:
    dataset = made_of(np.zeros(100, int))
    with pytest.raises(DataError, match=r"100 training samples.*write at most `train: 80`"):
        split(dataset, 90, 20, None)
    with pytest.raises(DataError, match="asks for 21 test samples, but data set 'own' has 20"):
        split(dataset, None, 0, 21)


def test_bytes_become_intensities_and_labels_do_not() -> None:
    images = np.array([[[0, 51], [102, 255]]], np.uint8)
    dataset = Dataset("own", {"train": {"images": images, "labels": np.array([9], np.uint8)}})
    image = dataset.sample("train", 0, "images", np.float32)
    assert image.dtype == np.float32
    assert_array_equal(image, np.float32([[0, 51 / 255], [102 / 255, 1]]))
    assert dataset.sample("train", 0, "labels", np.float32) == 9
    assert dataset.field("train", "images").dtype == np.uint8


def test_values_are_flat_or_one_hot() -> None:
    fields = {"x": np.arange(6.0).reshape(1, 2, 3), "labels": np.array([2])}
    parts = split(Dataset("own", {"train": fields}), None, 0, None)
    assert_array_equal(parts.values("train", 0, "x", 6, float), np.arange(6.0))
    assert_array_equal(parts.values("train", 0, "one_hot(labels)", 4, float), [0, 0, 1, 0])
    with pytest.raises(DataError, match="has 6 values a sample, but .* has 5 neurons"):
        parts.values("train", 0, "x", 5, float)
    with pytest.raises(DataError, match="class 2 .* has 2 neurons; give it one neuron a class"):
        parts.values("train", 0, "one_hot(labels)", 2, float)


@pytest.mark.parametrize("text", ["x", "2*x"])
def test_a_value_that_is_not_finite_is_named_with_its_row(text: str) -> None:
    x = np.ones((8, 2))
    x[5, 1] = np.nan
    parts = split(Dataset("own", {"train": {"x": x}}), None, 3, None)
    part = "train" if 5 in parts.indices["train"] else "validation"
    index = list(parts.indices[part]).index(5)
    with pytest.raises(DataError, match=r"'x' .* holds nan in train sample 5 \(from 0\)"):
        parts.values(part, index, text, 2, float)


def test_samples_of_validation_are_training_samples() -> None:
    parts = split(made_of(np.arange(40) % 4), None, 8, None)
    assert_array_equal(parts.field("validation", "x"), parts.indices["validation"])
    assert parts.sample("validation", 3, "x", float) == parts.indices["validation"][3]


def test_unknown_field_is_named_with_its_neighbours() -> None:
    with pytest.raises(DataError, match="no train field 'label'.\n  did you mean 'labels'"):
        made_of(np.zeros(3, int)).field("train", "label")


def test_fields_of_different_lengths_are_refused() -> None:
    with pytest.raises(DataError, match="'images' 3, 'labels' 2"):
        Dataset("own", {"train": {"images": np.zeros((3, 2)), "labels": np.zeros(2)}})


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("two_hot(labels)", 0),
        ("1 + one_hot(labels + 1)", 12),
        ("one_hot()", 0),
        ("x*__import__('os')", 2),
        (" 2*nA", 1),
        ("", 0),
    ],
)
def test_what_is_no_expression_over_fields_is_refused_at_its_place(text: str, column: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        read_field(text)
    assert caught.value.column == column


def test_expressions_over_fields_are_evaluated_in_double_precision() -> None:
    fields = {
        "images": np.array([[[0, 51], [102, 255]]], np.uint8),
        "labels": np.array([2]),
        "gain": np.array([0.1]),
    }
    parts = split(Dataset("own", {"train": fields}), None, 0, None)

    def values(text: str, size: int = 4) -> np.ndarray:
        return parts.values("train", 0, text, size, np.float32)

    pixels = np.array([0, 51, 102, 255]) / 255
    assert_array_equal(values("images*63.75*Hz"), np.float32(pixels * 63.75))
    assert_array_equal(values("(images - 0.5)*2*nA"), np.float32((pixels - 0.5) * 2 * 1e-9))
    assert_array_equal(
        values("gain*images + one_hot(labels)"), np.float32(0.1 * pixels + [0, 0, 1, 0])
    )
    assert_array_equal(values("gain*mV", 3), np.float32([1e-4] * 3))
    assert values("images*Hz").dtype == np.float32
    with pytest.raises(DataError, match=r"'1/images' for train sample 0 .* not finite"):
        values("1/images")
    with pytest.raises(DataError, match="has 4 values a sample, but .* has 5 neurons"):
        values("images*2", 5)
    with pytest.raises(DataError, match="class 2 .* has 2 neurons"):
        values("1 - one_hot(labels)", 2)

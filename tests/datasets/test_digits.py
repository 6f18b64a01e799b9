"""MNIST and Fashion-MNIST: the embedded subset, the official files, and what can be wrong."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from evsim import datasets, registry
from evsim.datasets import _files, fashion_mnist, mnist, open_dataset
from evsim.errors import DataError, InputError
from evsim.spec.schema import Data

Finder = Callable[[str], Path]
IMAGES = "train-images-idx3-ubyte.gz"


def data(name: str = "mnist", subset: str = "full", **split: int) -> Data:
    return Data.model_validate({"name": name, "subset": subset, "split": split, "fields": {}})


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No folder named, nothing cached, and mirrors that refuse connections."""
    monkeypatch.delenv("EVSIM_DATA", raising=False)
    monkeypatch.setattr(_files, "cache", lambda: tmp_path / "cache")
    offline = replace(mnist.OFFICIAL, mirrors=("http://127.0.0.1:9/mnist/",))
    monkeypatch.setattr(mnist, "OFFICIAL", offline)
    return tmp_path


def test_embedded_subset_is_small_and_stratified() -> None:
    assert mnist.EMBEDDED.stat().st_size < 1_500_000
    parts = open_dataset(data(subset="embedded", validation=500))
    assert [parts.size(s) for s in ("train", "validation", "test")] == [4500, 500, 1000]
    assert parts.dataset.field("train", "images").shape == (5000, 28, 28)
    assert parts.dataset.field("train", "images").dtype == np.uint8
    counts = np.bincount(parts.field("test", "labels"))
    official = np.array([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009])
    assert np.all(np.abs(counts - official / 10) <= 1)


def test_embedded_subset_equals_the_official_images(official_folder: Finder) -> None:
    full = mnist.load("full", None, official_folder("mnist"))
    embedded = mnist.load("embedded", None, None)
    for split in ("train", "test"):
        indices = embedded.field(split, "indices")
        assert len(np.unique(indices)) == embedded.size(split)
        for field in ("images", "labels"):
            assert_array_equal(
                embedded.field(split, field), full.field(split, field)[indices], strict=True
            )


@pytest.mark.parametrize("module", [mnist, fashion_mnist], ids=["mnist", "fashion_mnist"])
def test_official_files_are_read(module: object, official_folder: Finder) -> None:
    folder = official_folder(module.OFFICIAL.folder)  # type: ignore[attr-defined]
    name = module.__name__.rsplit(".", 1)[1]  # type: ignore[attr-defined]
    parts = open_dataset(data(name), folder.parent)
    assert parts.field("train", "images").shape == (60_000, 28, 28)
    assert_array_equal(np.unique(parts.field("test", "labels")), np.arange(10))
    direct = open_dataset(data(name, validation=10_000), folder)
    assert direct.size("train") == 50_000


def test_variable_names_the_folder(
    official_folder: Finder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVSIM_DATA", str(official_folder("mnist").parent))
    assert open_dataset(data()).size("test") == 10_000


def test_truncated_and_altered_files_are_named(official_folder: Finder, tmp_path: Path) -> None:
    folder = shutil.copytree(official_folder("mnist"), tmp_path / "mnist")
    labels = folder / "t10k-labels-idx1-ubyte.gz"
    labels.chmod(0o644)
    whole = labels.read_bytes()
    labels.write_bytes(whole[:2000])
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.gz is truncated .* 2000 bytes"):
        open_dataset(data(), tmp_path)
    labels.write_bytes(gzip.compress(gzip.decompress(whole)[::-1][:-8] + b"12345678"))
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.gz is not an idx file"):
        open_dataset(data(), tmp_path)
    body = bytearray(gzip.decompress(whole))
    body[100] ^= 1
    labels.write_bytes(gzip.compress(bytes(body)))
    with pytest.raises(DataError, match="t10k-labels.* is not the official file.*f7ae60f92e00ec6d"):
        open_dataset(data(), tmp_path)


def test_missing_files_are_listed(nowhere: Path) -> None:
    with pytest.raises(DataError, match=f"Neither {nowhere} nor .*{IMAGES}"):
        open_dataset(data(), nowhere)
    (nowhere / "mnist").mkdir()
    (nowhere / "mnist" / IMAGES).touch()
    with pytest.raises(DataError, match="lacks train-labels-idx1-ubyte.gz, t10k-images"):
        open_dataset(data(), nowhere)


def test_offline_says_what_to_put_where(nowhere: Path) -> None:
    with pytest.raises(DataError) as caught:
        open_dataset(data())
    for part in (IMAGES, "folder 'mnist'", "--data-dir", "EVSIM_DATA", "http://127.0.0.1:9/mnist/"):
        assert part in str(caught.value)
    assert not list(nowhere.glob("cache/**/*.gz"))


def test_unknown_names_and_subsets_suggest_known_ones() -> None:
    with pytest.raises(
        InputError, match="Unknown name 'mnits' in datasets\n  did you mean 'mnist'"
    ):
        open_dataset(data("mnits"))
    with pytest.raises(DataError, match="no subset 'embedded'; write `subset: full`"):
        open_dataset(data("fashion_mnist", "embedded"))


def test_listing_names_every_data_set(nowhere: Path) -> None:
    assert set(registry.names("evsim.datasets")) == {
        "fashion_mnist",
        "mnist",
        "n_mnist",
        "npz",
        "spikes",
    }
    places = {(entry.name, entry.subset): entry.place for entry in datasets.listing()}
    assert places["mnist", "embedded"] == "ships with evsim"
    assert places["mnist", "full"] == "not downloaded"


def test_nothing_to_get_for_own_files() -> None:
    with pytest.raises(DataError, match="your own files"):
        datasets.get("npz")


def test_a_data_set_without_an_address_says_which_files_it_needs(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no address.\nPut NMNISTsmall.tar.xz, .*'n-mnist-small'"):
        datasets.get("n_mnist", tmp_path)

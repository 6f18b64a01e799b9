from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from evsim.datasets import open_dataset
from evsim.errors import DataError
from evsim.spec.schema import Data


def data(path: Path | None) -> Data:
    return Data(name="npz", path=None if path is None else str(path), fields={"a.x": "rates"})


def test_own_arrays_are_fields(tmp_path: Path) -> None:
    rates = np.arange(6.0).reshape(3, 2)
    np.savez(tmp_path / "own.npz", train_rates=rates, train_labels=[0, 1, 0], test_rates=rates[:1])
    parts = open_dataset(data(Path("own.npz")), relative_to=tmp_path)
    assert_array_equal(parts.field("train", "rates"), rates)
    assert (parts.size("train"), parts.size("test")) == (3, 1)


def test_python_objects_are_never_unpickled(tmp_path: Path) -> None:
    ran = tmp_path / "ran"

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return (ran.touch, ())

    np.savez(tmp_path / "bomb.npz", train_x=np.array([Bomb()], object))
    with pytest.raises(DataError, match=r"bomb\.npz .* Python objects"):
        open_dataset(data(tmp_path / "bomb.npz"))
    assert not ran.exists()


@pytest.mark.parametrize("cut", [0, 10, 200, -30])
def test_damaged_file_is_named(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "cut.npz"
    np.savez(path, train_x=np.arange(1000.0))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=r"cut\.npz"):
        open_dataset(data(path))


def test_other_contents_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "names.npz", images=np.zeros((2, 2)))
    with pytest.raises(DataError, match="array 'images'; expected `train_<field>`"):
        open_dataset(data(tmp_path / "names.npz"))
    np.savez(tmp_path / "text.npz", train_x=np.array(["a", "b"]))
    with pytest.raises(DataError, match="Array 'train_x' .* expected numbers"):
        open_dataset(data(tmp_path / "text.npz"))
    np.save(tmp_path / "single.npy", np.zeros(3))
    with pytest.raises(DataError, match="single array"):
        open_dataset(data(tmp_path / "single.npy"))
    np.savez(tmp_path / "empty.npz")
    with pytest.raises(DataError, match="holds no array"):
        open_dataset(data(tmp_path / "empty.npz"))


def test_path_must_be_given_and_exist(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="needs `path`"):
        open_dataset(data(None))
    with pytest.raises(DataError, match=r"Cannot find the data file .*none\.npz"):
        open_dataset(data(tmp_path / "none.npz"))

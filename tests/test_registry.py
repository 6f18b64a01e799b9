"""Variants are found by folder, without importing them."""

import subprocess
import sys

import pytest

from evsim import registry
from evsim.errors import InputError


@pytest.mark.parametrize(
    ("package", "some"),
    [
        ("evsim.models.neurons", {"lif", "sigma_delta"}),
        ("evsim.models.plasticity", {"contrast", "bias_contrast"}),
        ("evsim.projections", {"conv", "dense"}),
        ("evsim.datasets", {"mnist", "fashion_mnist"}),
        ("evsim.analysis.figures", {"raster", "accuracy"}),
    ],
)
def test_scan_finds_the_variants(package, some):
    names = registry.names(package)
    assert some <= set(names)
    assert list(names) == sorted(names)
    assert "base" not in names
    assert not any(name.startswith("_") for name in names)


def test_scan_imports_none():
    code = (
        "import sys; from evsim import registry; registry.names('evsim.projections');"
        "print([m for m in sys.modules if m.startswith('evsim.projections.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_unknown_name_is_an_input_error():
    with pytest.raises(InputError, match="did you mean 'lif'"):
        registry.load("evsim.models.neurons", "liff")


def test_names_are_not_paths():
    with pytest.raises(InputError):
        registry.load("evsim.models.neurons", "..plasticity.contrast")

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from evsim.build.build import build
from evsim.engines.fused import engine as fused
from evsim.engines.reference import engine as reference
from evsim.spec.parse import parse
from evsim.testing.engine import every_state

HERE = Path(__file__).parent


def plan_of(name, *overrides):
    """The plan of a network beside this file whose states can all be set at a trial's start."""
    plan = build(parse(HERE / f"{name}.yaml", overrides))
    return replace(plan, inputs=every_state(plan))


@pytest.fixture(scope="session")
def geometry():
    return plan_of("geometry")


@pytest.fixture(scope="session")
def geometry_fused(geometry):
    return fused.compile(geometry)


@pytest.fixture(scope="session")
def geometry_reference(geometry):
    """NumPy evaluates + - * / one by one: for this network as exact as a strict compiler."""
    return reference.compile(geometry, "numpy")


@pytest.fixture(scope="session")
def strict():
    return plan_of("strict")


@pytest.fixture(scope="session")
def strict_fused(strict):
    return fused.compile(strict, "libm")


@pytest.fixture(scope="session")
def strict_single():
    """Single precision, with evsim's own exponentials."""
    return fused.compile(plan_of("strict", "precision=float32"))


@pytest.fixture(scope="session")
def strict_numpy(strict):
    return reference.compile(strict, "numpy")


@pytest.fixture(scope="session")
def compile_strict():
    """What compiles a plan with Brian2 operation by operation; see `brian2_compat.code_target`."""
    if not any(map(shutil.which, ("c++", "g++", "clang++"))):
        pytest.skip("there is no C++ compiler for Brian2's Cython target")
    return lambda plan: reference.compile(plan, "strict")


@pytest.fixture(scope="session")
def strict_reference(strict, compile_strict):
    return compile_strict(strict)

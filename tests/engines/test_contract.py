"""Both engines keep the contract that the package ships."""

from evsim.engines.fused import engine as fused
from evsim.engines.reference import engine as reference
from evsim.testing.engine import EngineContract


class TestFused(EngineContract):
    compile = staticmethod(fused.compile)


class TestReference(EngineContract):
    @staticmethod
    def compile(plan):
        return reference.compile(plan, "numpy")

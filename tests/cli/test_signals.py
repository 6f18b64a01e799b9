"""Ctrl-C and SIGTERM ask a run to stop; the second one ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from evsim_cli.signals import stop_on_signals

SCRIPT = """
import sys, time
from evsim_cli.signals import stop_on_signals
with stop_on_signals() as stop:
    print("ready", flush=True)
    while not stop.wait(0.01):
        pass
    print("stopping", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_second_signal_ends_at_once(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
        run.send_signal(number)
        assert run.stdout.readline() == "stopping\n"
        run.send_signal(number)
        assert run.wait(timeout=30) == 130


def test_signals_mean_what_they_did_afterwards() -> None:
    before = signal.getsignal(signal.SIGINT)
    with stop_on_signals() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(10)
    assert signal.getsignal(signal.SIGINT) is before

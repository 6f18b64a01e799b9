"""A process that records without end: `endless.py PATH ENCODING [BYTES]`.

Prints the number of trials after every commit. With BYTES the file may not grow beyond.
"""

from __future__ import annotations

import resource
import signal
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evsim.errors import EvsimError  # noqa: E402
from evsim.recording.writer import Writer  # noqa: E402
from tests.recording.helpers import parameters, trial, with_encoding  # noqa: E402


def record(path: Path, encoding: str) -> None:
    layout = with_encoding(encoding)  # type: ignore[arg-type]
    number = 0
    with Writer.create(path, layout, {"kept": True}) as writer:
        while True:
            for _ in range(3):
                random = np.random.default_rng(number)
                writer.trial(trial(random, number, layout))
                number += 1
            writer.weights(number, parameters(np.random.default_rng(number)))
            writer.metrics({"epoch": number})
            writer.commit()
            print(number, flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 3:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
    try:
        record(Path(sys.argv[1]), sys.argv[2])
    except EvsimError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)

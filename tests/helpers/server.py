"""Forks `evsim` commands from a process that has imported everything and has no other thread.

Reads one request a line from standard input, answers each with a line: `{"words", "out", "err",
"environment", "largest_file"}` starts a command and gives its number, `{"number"}` gives its exit
code, or null while it runs.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import traceback
from typing import Any, NoReturn


def main() -> None:
    from tiny import NETWORK

    import evsim_cli.main  # noqa: F401
    from evsim import engines
    from evsim.build.build import build
    from evsim.spec.parse import parse_text

    # What Brian2 and Numba do once in a process is done before it is forked.
    engines.load("fused").compile(build(parse_text(NETWORK)))
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        request = json.loads(line)
        answer = _poll(request["number"]) if "number" in request else _start(request)
        print(json.dumps(answer), file=answers, flush=True)


def _poll(number: int) -> int | None:
    done, status = os.waitpid(number, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if done else None


def _start(request: dict[str, Any]) -> int:
    number = os.fork()
    if number == 0:
        _become(request)
    return number


def _become(request: dict[str, Any]) -> NoReturn:
    code = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, name in enumerate(("out", "err"), 1):
            os.dup2(os.open(request[name], os.O_WRONLY | os.O_APPEND), number)
        os.environ.clear()
        os.environ.update(request["environment"])
        if request["largest_file"]:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            limit = (request["largest_file"], resource.RLIM_INFINITY)
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        sys.argv = ["evsim", *request["words"]]
        from evsim_cli.main import main

        main()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()

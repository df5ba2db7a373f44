"""One extraction of the invented vendor in a process of its own, which may come to a bad end at a chosen point.

    python -m tests.kit.live DEPLOYMENT URL '{"at": "pipelines.pull:_Spool.write", "nth": 3, "do": "die"}'

A point is a function; `die` ends the process like `kill -9` when it is called for the nth time, `die after` when it
returns, `full` lets no file grow beyond `bytes` from then on, as a quota does. What the point was reached by is told by
the line `reached`; the end by `landed`, or by the error's name and words.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from pipelines.errors import SegmentsError
from pipelines.extract import extract
from pipelines.settings import read_settings
from pipelines.warehouse import Places
from tests.kit.vendor import instance


def _die() -> None:
    print("reached", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def _full(size: int) -> Callable[[], None]:
    def limit() -> None:
        print("reached", flush=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def _at(point: str, nth: int, act: Callable[[], None], *, is_after: bool) -> None:
    """Have `act` happen when `point` is called for the nth time."""
    module, _, path = point.partition(":")
    owner: Any = importlib.import_module(module)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    original, calls = getattr(owner, name), count(1)

    def watched(*arguments: Any, **named: Any) -> Any:
        is_turn = next(calls) == nth
        if is_turn and not is_after:
            act()
        result = original(*arguments, **named)
        if is_turn and is_after:
            act()
        return result

    setattr(owner, name, watched)


def main(file: str, url: str, told: str) -> int:
    plan = json.loads(told)
    if plan.get("is_loud"):
        logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, format="%(name)s %(message)s %(args)s")
    if "at" in plan:
        do = plan.get("do", "die")
        act = _full(plan["bytes"]) if do == "full" else _die
        _at(plan["at"], plan.get("nth", 1), act, is_after=do == "die after")
    settings = read_settings(Path(file))
    print("reading", flush=True)
    try:
        extract(settings, Places.of(settings), instance(url, **plan.get("options", {})))
    except SegmentsError as problem:
        if plan.get("is_loud"):
            traceback.print_exc()
        print(f"{type(problem).__name__}: {problem}", flush=True)
        return problem.exit_code
    print("landed", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))

"""One measured run in a fresh process: of the rooms, stage by stage, or of a floor. Prints what it took as JSON.

A process of its own, because imports count, and because a process has only one peak of memory. `run.py` and
`channel.py` start it through `measured`.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


class Clock:
    """Wall and CPU seconds by stage; CPU counts this process and the children it has waited for."""

    def __init__(self) -> None:
        self.stages: dict[str, dict[str, float]] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure what happens inside."""
        wall, cpu = time.perf_counter(), _cpu_seconds()
        yield
        self.stages[name] = {"seconds": time.perf_counter() - wall, "cpu": _cpu_seconds() - cpu}


def measured(*arguments: str, **environment: str) -> dict[str, Any]:
    """Run this module with these arguments in a process of its own; returns what it found."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.stages", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"benchmarks.stages {' '.join(arguments)} ended with code {done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure_rooms(deployment: Path, *, has_lake: bool = False) -> dict[str, Any]:
    """Drive one deployment from export to release; with `has_lake` from the loads that lie in its lake already."""
    clock = Clock()
    with clock.stage("imports"):
        import dlt  # noqa: F401
        import great_expectations  # noqa: F401

        from data_quality.releasing import judge_candidate, release_judged
        from pipelines import shape
        from pipelines.errors import GateRefused
        from pipelines.extract import extract
        from pipelines.release import build_candidate
        from pipelines.settings import read_settings
    settings = read_settings(deployment)
    run = shape.plan(settings)
    with clock.stage("parse"):
        shape.prepare(settings)
    if not has_lake:
        with clock.stage("extract"):
            for instance in run.sources:
                extract(settings, run.places, instance)
    with clock.stage("lay_inputs"):
        shape.lay_inputs(run)
    with clock.stage("dbt"):
        nodes = shape.build(run)
    with clock.stage("candidate"):
        candidate = build_candidate(run.places, policy_hash=run.active.content_hash)
    with _asked_seconds() as asked, clock.stage("judge"):
        judged = judge_candidate(run, candidate)
    refusal = None
    with clock.stage("release"):
        try:
            release_judged(run, judged, run_name="benchmark")
        except GateRefused as problem:
            if not has_lake:
                raise
            refusal = problem.message  # a generated channel may ask a programme for more than it has room for
    return {
        "stages": clock.stages,
        "nodes": {node.name: node.seconds for node in nodes},
        "nodes_span": _span(run.places.dbt_target / "run_results.json"),
        "judge_asking": asked(),
        "expectations": len(judged.verdict.results),
        "release": judged.candidate.release,
        "candidate": str(judged.candidate.folder),
        "verdict": refusal,
        "warehouse": str(run.places.warehouse),
        **_memory(),
    }


def measure_floor(deployment: Path, database: Path, threads: int) -> dict[str, Any]:
    """Compute the floor for the same deployment."""
    from benchmarks.floor import run_floor
    from pipelines import shape
    from pipelines.settings import read_settings

    clock = Clock()
    settings = read_settings(deployment)
    quarter = shape.plan(settings).quarter
    with clock.stage("floor"):
        run_floor(settings, quarter, settings.folder("inputs"), database, threads=threads)
    return {"stages": clock.stages, **_memory()}


def measure_channel_floor(deployment: Path, database: Path, threads: int, memory_limit: str | None) -> dict[str, Any]:
    """Compute the floor of a generated channel."""
    from benchmarks.channel_floor import run_floor
    from pipelines.settings import read_settings

    clock = Clock()
    settings = read_settings(deployment)
    with clock.stage("floor"):
        run_floor(settings, database, threads=threads, memory_limit=memory_limit)
    return {"stages": clock.stages, **_memory()}


def _span(results: Path) -> float:
    """Seconds from the start of dbt's first node to the end of its last: nodes side by side count once."""
    moments = [
        datetime.fromisoformat(step[edge].replace("Z", "+00:00"))
        for node in json.loads(results.read_text(encoding="utf-8"))["results"]
        for step in node["timing"]
        for edge in ("started_at", "completed_at")
        if step[edge]
    ]
    return (max(moments) - min(moments)).total_seconds()


@contextmanager
def _asked_seconds() -> Iterator[Callable[[], float]]:
    """Seconds that the gate's own statements take inside the database, apart from everything around them."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    started, total = [0.0], [0.0]

    def before(*_: Any) -> None:
        started[0] = time.perf_counter()

    def after(*_: Any) -> None:
        total[0] += time.perf_counter() - started[0]

    event.listen(Engine, "before_cursor_execute", before)
    event.listen(Engine, "after_cursor_execute", after)
    try:
        yield lambda: total[0]
    finally:
        event.remove(Engine, "before_cursor_execute", before)
        event.remove(Engine, "after_cursor_execute", after)


def _cpu_seconds() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _memory() -> dict[str, float]:
    """Peaks in megabytes: of this process, and of the largest child.

    A process starts with the peak of the one that started it, so a child's figure is never too low; for this process
    Linux tells its own.
    """
    status = Path("/proc/self/status")
    own = (
        [line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        if status.exists()
        else []
    )
    kilobytes = {
        "memory_self": int(own[0]) if own else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "memory_children": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss,
    }
    return {name: value / 1024 for name, value in kilobytes.items()}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stages", description=__doc__)
    parser.add_argument("deployment", type=Path)
    parser.add_argument("--floor", type=Path, metavar="DATABASE", help="compute the floor into this file instead")
    parser.add_argument("--channel", action="store_true", help="a generated channel: its lake is there, its own floor")
    parser.add_argument("--threads", type=int, default=2, help="of the floor's database")
    parser.add_argument("--memory-limit", metavar="SIZE", help="of the floor's database")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    if options.floor and options.channel:
        found = measure_channel_floor(options.deployment, options.floor, options.threads, options.memory_limit)
    elif options.floor:
        found = measure_floor(options.deployment, options.floor, options.threads)
    else:
        found = measure_rooms(options.deployment, has_lake=options.channel)
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""`python -m benchmarks.judging`: the gate on many conformed rows, beside the same predicates as SQL written by hand.

Conformed rows are generated straight into a warehouse file (`judging_rows.py`), with defects. The gate judges them by
the suites that are about conformed entities; one hand-written statement per table counts the same offenders
(`judging_floor.py`), under the same memory limit and with as many threads. Every rule must come to the same verdict and
the same count. Two things are measured besides: the dbt build of a generated channel and the gate on what it built, and
what the gate costs where there is nothing to read, on the small good files of its tests.

Every part runs in a process of its own; imports are told apart. Aims are printed, never enforced: only different
verdicts fail.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.judging_rows import ENTITIES, LEAST_ROWS, write_warehouse
from benchmarks.stages import ROOT, Clock, _memory

AIM_RATIO, AIM_OF_BUILD, AIM_FIXED_SECONDS = 1.5, 1.0, 6.0
# A generated channel has about so many rows per partner, and comes in whole sample companies.
ROWS_PER_PARTNER = 737
# Read by every database that the gate and dbt open; the SQL by hand is told by an argument.
MEMORY_VARIABLE = "SEGMENTS_MEMORY_LIMIT"
SMALL_FILES = ROOT / "tests" / "gate" / "seeds"
SMALL_ENTITIES = ("accounts", "deal_registrations", "meetings", "opportunities", "opportunity_partners")
SMALL_PARAMETERS: dict[str, Any] = {
    "quarter": "2026Q2",
    "quarter_start": date(2026, 4, 1),
    "quarter_end": date(2026, 6, 30),
    "as_of": date(2026, 6, 30),
    "known_at": datetime(2026, 7, 1, 6),
    "policy": "acme",
    "version": "2026-01",
    "previous_partner_count": 4,
}
WAYS = {"sql": "hand-written SQL, one statement per table", "gate": "the gate", "small": "the gate on its small files"}
_NAMED = 12


# -- the ways ----------------------------------------------------------------------------------------------------------


def judge_by_gate(folder: Path, *, suites: Collection[str] | None = None) -> dict[str, Any]:
    """The gate on the warehouse in `folder`, by the suites that are about conformed entities."""
    from benchmarks.judging_floor import SUITES

    entities, parameters = _asked_of(folder / "warehouse.duckdb")
    return _judged(folder, entities, parameters, suites or SUITES)


def judge_small_files(folder: Path) -> dict[str, Any]:
    """All suites on the tests' good files: what remains where there is nothing to read."""
    import duckdb

    folder.mkdir(parents=True, exist_ok=True)
    for file, part in ((folder / "warehouse.duckdb", "warehouse"), (_candidate(folder), "candidate")):
        file.unlink(missing_ok=True)
        with duckdb.connect(str(file)) as con:
            con.execute((SMALL_FILES / f"good_{part}.sql").read_text(encoding="utf-8"))
    return _judged(folder, SMALL_ENTITIES, SMALL_PARAMETERS, None)


def _judged(
    folder: Path, entities: Collection[str], parameters: dict[str, Any], names: Collection[str] | None
) -> dict[str, Any]:
    clock = Clock()
    with clock.stage("imports"):
        import great_expectations.expectations  # noqa: F401

        from data_quality.gate import judge
        from data_quality.suite import read_suites

        suites = [suite for suite in read_suites() if names is None or suite.suite in names]
    candidate = _candidate(folder)
    with _of_samples() as samples, clock.stage("whole"):
        verdict = judge(
            warehouse=folder / "warehouse.duckdb",
            candidate=candidate.parent,
            parameters=parameters,
            entities=entities,
            candidate_hash="benchmark",
            suites=suites,
        )
    return {
        **clock.stages["whole"],
        "imports": clock.stages["imports"]["seconds"],
        "samples": samples,
        "megabytes": _memory()["memory_self"],
        "results": {
            result.name: None if result.raised else _offenders(result.success, result.unexpected_count)
            for result in verdict.results
        },
    }


@contextmanager
def _of_samples() -> Iterator[dict[str, float]]:
    """What the gate spends on showing rows of the rules that failed, which no predicate by hand does."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    started = {"seconds": 0.0, "cpu": 0.0}
    total = {"seconds": 0.0, "cpu": 0.0}

    def before(*_: Any) -> None:
        started.update(seconds=time.perf_counter(), cpu=time.process_time())

    def after(_con: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("select distinct * from (") and " order by all limit " in statement:
            total["seconds"] += time.perf_counter() - started["seconds"]
            total["cpu"] += time.process_time() - started["cpu"]

    event.listen(Engine, "before_cursor_execute", before)
    event.listen(Engine, "after_cursor_execute", after)
    try:
        yield total
    finally:
        event.remove(Engine, "before_cursor_execute", before)
        event.remove(Engine, "after_cursor_execute", after)


def _offenders(success: bool, count: int | None) -> int:
    """A rule about a row count says that it failed, and not by how many rows."""
    return 0 if success else count or 1


def _candidate(folder: Path) -> Path:
    """The file of a candidate; an empty one where nobody made it, for the tables judged here are the warehouse's."""
    import duckdb

    file = folder / "candidate" / "segments.duckdb"
    file.parent.mkdir(parents=True, exist_ok=True)
    duckdb.connect(str(file)).close()
    return file


def _asked_of(warehouse: Path) -> tuple[list[str], dict[str, Any]]:
    """The entities that a warehouse's sources offer, and what a gate asks of its run with."""
    import duckdb

    with duckdb.connect(str(warehouse), read_only=True) as con:
        offered = con.execute("select distinct entity from deployment.capabilities order by all").fetchall()
        told = con.execute(
            "select quarter, cast(date_trunc('month', quarter_end) - interval 2 month as date) as quarter_start, "
            "quarter_end, known_at, policy, version from deployment.run_context"
        )
        parameters = dict(zip([column for column, *_ in told.description or ()], told.fetchall()[0], strict=True))
    return [entity for (entity,) in offered], {**parameters, "as_of": parameters["quarter_end"]}


def count_by_hand(folder: Path, memory_limit: str | None) -> dict[str, Any]:
    """The hand-written statements on the warehouse in `folder`."""
    from benchmarks.judging_floor import count_offenders
    from data_quality.parameters import complete

    warehouse = folder / "warehouse.duckdb"
    values = complete(_asked_of(warehouse)[1])
    clock = Clock()
    with clock.stage("whole"):
        results = count_offenders(warehouse, values, memory_limit=memory_limit, temp=folder / "sql.tmp")
    return {**clock.stages["whole"], "megabytes": _memory()["memory_self"], "results": results}


def build_channel(folder: Path, rows: int) -> dict[str, Any]:
    """The dbt build of a generated channel of about so many rows; what it built lies in `folder` then."""
    from benchmarks.channel_lake import write_channel, write_template
    from pipelines import shape
    from pipelines.settings import read_settings

    partners = math.ceil(rows / ROWS_PER_PARTNER)
    channel = write_channel(folder / "channel", write_template(folder / "sample"), partners)
    settings = read_settings(channel.deployment)
    run = shape.plan(settings)
    shape.prepare(settings)
    shape.lay_inputs(run)
    clock = Clock()
    with clock.stage("whole"):
        shape.build(run)
    (folder / "warehouse.duckdb").unlink(missing_ok=True)
    (folder / "warehouse.duckdb").symlink_to(run.places.warehouse)
    return {**clock.stages["whole"], "megabytes": max(_memory().values()), "rows": sum(channel.rows.values())}


# -- measuring ---------------------------------------------------------------------------------------------------------


def run_way(way: str, folder: Path, *, rows: int = 0, memory_limit: str | None = None) -> dict[str, Any]:
    """One way in a fresh process; returns seconds, CPU seconds, megabytes and what it found."""
    limit = ["--memory-limit", memory_limit] if memory_limit else []
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SEGMENTS_")}
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    set_limit = {MEMORY_VARIABLE: memory_limit} if memory_limit else {}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.judging", "--way", way, "--keep", str(folder), "--rows", str(rows), *limit],
        env={**kept, "PYTHONPATH": os.pathsep.join(paths), **set_limit},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"the {way} part ended with code {done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(
    rows: int, folder: Path, *, memory_limit: str | None = None, defects: bool = True, repeats: int = 1
) -> dict[str, Any]:
    """SQL by hand and the gate in turn on the same generated rows; medians over `repeats` rounds."""
    folder.mkdir(parents=True, exist_ok=True)
    warehouse = folder / "warehouse.duckdb"
    warehouse.unlink(missing_ok=True)
    print(f"{rows:,} rows: writing", file=sys.stderr, flush=True)
    write_warehouse(warehouse, rows, defects=defects)
    rounds: dict[str, list[dict[str, Any]]] = {"sql": [], "gate": []}
    for number in range(1, repeats + 1):
        print(f"{rows:,} rows: round {number} of {repeats}", file=sys.stderr, flush=True)
        for way, figures in rounds.items():
            figures.append(run_way(way, folder, memory_limit=memory_limit))
    by_hand, by_gate = rounds["sql"][-1]["results"], rounds["gate"][-1]["results"]
    return {
        "rows": rows,
        "memory_limit": memory_limit,
        "rules": len(by_gate),
        "failed": sum(1 for count in by_gate.values() if count),
        "unknown": sorted(by_gate.keys() - by_hand.keys()),
        "differences": differing(by_hand, by_gate),
        **{way: _settled(figures) for way, figures in rounds.items()},
    }


def measure_build(rows: int, folder: Path, *, memory_limit: str | None = None) -> dict[str, Any]:
    """The dbt build of a channel of about so many rows, and the gate on it."""
    folder.mkdir(parents=True, exist_ok=True)
    print(f"about {rows:,} rows: dbt build", file=sys.stderr, flush=True)
    build = run_way("build", folder, rows=rows, memory_limit=memory_limit)
    print(f"{build['rows']:,} rows: the gate", file=sys.stderr, flush=True)
    gate = run_way("gate", folder, memory_limit=memory_limit)
    unanswered = [f"{rule}: the gate could not judge" for rule, count in gate["results"].items() if count is None]
    return {"rows": build["rows"], "build": build, "gate": gate, "differences": unanswered}


def measure_fixed(folder: Path, *, repeats: int = 1) -> dict[str, Any]:
    """All suites on the gate's small files."""
    print("the gate's small files", file=sys.stderr, flush=True)
    found = _settled([run_way("small", folder) for _ in range(repeats)])
    failed = [f"{rule}: fails on the small good files" for rule, count in found["results"].items() if count != 0]
    return {**found, "rules": len(found["results"]), "differences": failed}


def differing(by_hand: dict[str, int], by_gate: dict[str, int | None]) -> list[str]:
    """What the two say differently of one rule; None is a rule that the gate could not judge.

    A rule that only the gate knows is no difference: it is told, and its cost is the gate's.
    """
    return [
        f"{rule}: {_said(by_hand[rule])} by hand, {_said(by_gate[rule]) if rule in by_gate else 'no rule'} of the gate"
        for rule in sorted(by_hand)
        if rule not in by_gate or by_hand[rule] != by_gate[rule]
    ]


def _said(count: int | None) -> str:
    return "no answer" if count is None else f"{count:,}"


def _settled(figures: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of several rounds the median of the times and the largest memory."""
    middle = {
        name: median(one[name] for one in figures) for name in ("seconds", "cpu", "imports") if name in figures[0]
    }
    return {**figures[-1], **middle, "megabytes": max(one["megabytes"] for one in figures)}


# -- words -------------------------------------------------------------------------------------------------------------


def table(found: dict[str, Any], built: dict[str, Any] | None, fixed: dict[str, Any]) -> str:
    """The figures as text for people, held against the aims."""
    by_hand, by_gate = found["sql"], found["gate"]
    limit = found["memory_limit"] or "DuckDB's own"
    lines = [
        "",
        f"{found['rows']:,} generated rows of {len(ENTITIES)} conformed entities, {found['rules']} rules, "
        f"{found['failed']} of them broken",
        f"memory limit {limit}, {os.cpu_count()} cores for both; the gate beyond its imports "
        f"({by_gate['imports']:.1f} s)",
        _HEAD + f"{'x CPU':>9}{'x wall':>9}",
        *(
            _line(WAYS[way], found[way], found["rows"])
            + f"{found[way]['cpu'] / by_hand['cpu']:>9.2f}{found[way]['seconds'] / by_hand['seconds']:>9.2f}"
            for way in ("sql", "gate")
        ),
        _line("  of which samples of what failed", by_gate["samples"]),
    ]
    aims = [
        ("CPU, x hand-written SQL", by_gate["cpu"] / by_hand["cpu"], AIM_RATIO),
        ("wall, x hand-written SQL", by_gate["seconds"] / by_hand["seconds"], AIM_RATIO),
    ]
    lines += [""]
    if built is None:
        lines.append("the dbt build was left out")
    else:
        lines += [
            f"{built['rows']:,} rows of the generated channel",
            _HEAD,
            _line("dbt build, whole command", built["build"], built["rows"]),
            _line(WAYS["gate"], built["gate"], built["rows"]),
        ]
        aims += [
            (f"CPU, x dbt build of {built['rows']:,} rows", built["gate"]["cpu"] / built["build"]["cpu"], AIM_OF_BUILD),
            ("wall, x that build", built["gate"]["seconds"] / built["build"]["seconds"], AIM_OF_BUILD),
        ]
    lines += ["", f"fixed cost: all {fixed['rules']} rules, four partners", _HEAD, _line(WAYS["small"], fixed)]
    lines.append(f"  and {fixed['imports']:.1f} s of imports, which a run spends while dbt works")
    aims.append(("fixed cost, seconds", fixed["seconds"], AIM_FIXED_SECONDS))
    lines += ["", f"{'aims':<44}{'found':>9}{'aim':>9}"]
    lines += [f"{words:<44}{value:>9.2f}{aim:>9.2f}  {_met(value, aim)}" for words, value, aim in aims]
    if found["unknown"]:
        named = ", ".join(found["unknown"][:_NAMED]) + (" and more" if len(found["unknown"]) > _NAMED else "")
        lines += ["", f"not written by hand, and counted for the gate alone: {named}"]
    wrong = [sentence for part in (found, built, fixed) if part for sentence in part["differences"]]
    compared = found["rules"] - len(found["unknown"])
    good = f"the verdicts are equal: {compared} rules, each with the same number of offenders"
    return "\n".join([*lines, "", "THE VERDICTS DIFFER" if wrong else good, *(f"  {sentence}" for sentence in wrong)])


_HEAD = f"{'':<44}{'seconds':>9}{'CPU s':>9}{'us/row':>9}{'MB':>9}"


def _line(words: str, one: dict[str, Any], rows: int | None = None) -> str:
    each = f"{one['cpu'] / rows * 1e6:>9.2f}" if rows else f"{'':>9}"
    memory = f"{one['megabytes']:>9,.0f}" if "megabytes" in one else ""
    return f"{words:<44}{one['seconds']:>9.2f}{one['cpu']:>9.2f}{each}{memory}"


def _met(value: float, aim: float) -> str:
    return "met" if value <= aim else "not met"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.judging",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Judge generated conformed rows by the gate and, beside it, by hand-written SQL; check that every\n"
        "rule finds as many offenders, and print seconds, CPU seconds, memory and ratios, beside a dbt build and the\n"
        "gate's fixed cost.",
        epilog="examples:\n"
        "  python -m benchmarks.judging --rows 200000 --build-rows 0     a minute\n"
        "  python -m benchmarks.judging --memory-limit 4GB               10,000,000 rows, and a build of 1,000,000\n"
        "\n"
        "exit codes: 0 equal verdicts, 1 different ones or a part that failed. A missed aim is no failure: timings\n"
        "belong to a machine.",
    )
    parser.add_argument("--rows", type=int, default=10_000_000, metavar="N", help="rows (default: %(default)s)")
    parser.add_argument(
        "--build-rows", type=int, default=1_000_000, metavar="N",
        help="rows of the channel that dbt builds, rounded up to whole sample companies; 0 leaves it out "
        "(default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--memory-limit", metavar="SIZE", help="for every database of all ways, such as 4GB (default: DuckDB's own)"
    )
    parser.add_argument("--clean", action="store_true", help="without defects: what a good run costs")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="rounds, medians count (default: 1)")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="work here and leave everything for a look")
    # How the command starts itself for each way.
    parser.add_argument("--way", choices=[*WAYS, "build"], help=argparse.SUPPRESS)
    return parser


def _run_here(way: str, folder: Path, rows: int, memory_limit: str | None) -> dict[str, Any]:
    match way:
        case "sql":
            return count_by_hand(folder, memory_limit)
        case "gate":
            return judge_by_gate(folder)
        case "small":
            return judge_small_files(folder)
    return build_channel(folder, rows)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.way:
        logging.disable(logging.WARNING)
        print(json.dumps(_run_here(options.way, options.keep, options.rows, options.memory_limit)))
        return 0
    if options.rows < LEAST_ROWS or options.repeat < 1 or options.build_rows < 0:
        parser.error(f"--rows starts at {LEAST_ROWS:,}, --repeat at 1 and --build-rows at 0")
    with tempfile.TemporaryDirectory(prefix="segments-judging-") as scratch:
        folder = (options.keep or Path(scratch)).resolve()
        limit = options.memory_limit
        found = measure(
            options.rows, folder / "rows", memory_limit=limit, defects=not options.clean, repeats=options.repeat
        )
        fixed = measure_fixed(folder / "small", repeats=options.repeat)
        built = measure_build(options.build_rows, folder / "build", memory_limit=limit) if options.build_rows else None
        parts = [part for part in (found, built, fixed) if part]
        print(json.dumps(parts, indent=2) if options.json else table(found, built, fixed))
    return 1 if any(part["differences"] for part in parts) else 0


if __name__ == "__main__":
    raise SystemExit(main())

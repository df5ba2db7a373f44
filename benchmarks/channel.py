"""`python -m benchmarks.channel`: a generated channel at several sizes, everything after extraction beside its floor.

How the channel comes about is in `channel_lake.py`, what the floor computes in `channel_floor.sql`. Both read the same
lake. The project's side is what `segments run` does once the loads are there: raw views, one dbt build, candidate,
judging, release; imports and the parsing of the dbt project, which a second run is spared, are left out. The aim is
printed, never enforced: only different numbers fail.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.channel_floor import compare
from benchmarks.channel_lake import MOST_PARTNERS, Channel, write_channel, write_template
from benchmarks.stages import measured
from pipelines.release import unlock

AIM_RATIO = 4.0
SIZES = (1_000, 10_000, 100_000)
# Read by every database that the project opens; the floor is told by an argument.
MEMORY_VARIABLE = "SEGMENTS_MEMORY_LIMIT"
STAGES: dict[str, str] = {
    "lay_inputs": "raw views, policy and deployment as rows",
    "dbt": "dbt build, whole command",
    "candidate": "candidate",
    "judge": "judge",
    "release": "release",
}


def measure(channel: Channel, threads: int, memory_limit: str | None) -> dict[str, Any]:
    """Floor and project once on one size, each in a process of its own, and whether their numbers are equal."""
    _forget(channel.lake.parent)
    database = channel.lake.parent.parent / "floor.duckdb"
    limit = ["--memory-limit", memory_limit] if memory_limit else []
    floor = measured(str(channel.deployment), "--channel", "--floor", str(database), "--threads", str(threads), *limit)
    project = measured(
        str(channel.deployment), "--channel", **({MEMORY_VARIABLE: memory_limit} if memory_limit else {})
    )
    compared, differing = compare(database, Path(project["warehouse"]))
    seconds = {name: project["stages"][name]["seconds"] for name in STAGES}
    return {
        "rows": channel.rows,
        "floor": {**floor["stages"]["floor"], "memory": floor["memory_self"]},
        "seconds": seconds,
        "cpu": sum(project["stages"][name]["cpu"] for name in STAGES),
        "nodes_span": project["nodes_span"],
        "whole": sum(seconds.values()),
        "memory": {"dbt": project["memory_children"], "rest": project["memory_self"]},
        "nodes": project["nodes"],
        "verdict": project["verdict"],
        "compared": compared,
        "differences": [difference.sentence() for difference in differing],
    }


def _forget(state: Path) -> None:
    """Remove everything of an earlier measurement but the lake."""
    for path in state.iterdir():
        if path.name != "lake":
            if path.is_dir():
                unlock(path)
                shutil.rmtree(path)
            else:
                path.unlink()


def table(results: Sequence[dict[str, Any]], slowest: int) -> str:
    """All sizes as text for people: one line each, then growth, stages and the slowest nodes of the largest."""
    lines = ["", _HEAD, *(_size_line(found) for found in results)]
    if len(results) > 1:
        lines += ["", f"{'growth, times':<24}{'rows':>10}{'floor':>10}{'dbt nodes':>10}{'whole':>10}{'peak':>10}"]
        lines += [_growth_line(smaller, larger) for smaller, larger in pairwise(results)]
    largest = results[-1]
    lines += ["", f"{'seconds':<44}" + "".join(f"{_partners(found):>12,}" for found in results)]
    lines += [
        f"  {says:<42}" + "".join(f"{found['seconds'][name]:>12.1f}" for found in results)
        for name, says in STAGES.items()
    ]
    lines += [f"{'CPU seconds, floor':<44}" + "".join(f"{found['floor']['cpu']:>12.1f}" for found in results)]
    lines += [f"{'CPU seconds, whole':<44}" + "".join(f"{found['cpu']:>12.1f}" for found in results)]
    ordered = sorted(largest["nodes"].items(), key=lambda pair: -pair[1])[:slowest]
    lines += ["", f"{'slowest nodes, seconds':<44}" + "".join(f"{_partners(found):>12,}" for found in results)]
    lines += [
        f"  {name:<42}" + "".join(f"{found['nodes'].get(name, 0.0):>12.2f}" for found in results) for name, _ in ordered
    ]
    lines += ["", f"aim: the whole within {AIM_RATIO:.0f} times the floor"]
    lines += [f"  {_partners(found):>9,} partners: {_aim(found)}" for found in results]
    for found in results:
        lines += ["", *_equality(found)]
    return "\n".join(lines)


_HEAD = (
    f"{'partners':>9}{'opportunities':>15}{'overlaps':>13}{'all rows':>13}"
    f"{'floor s':>9}{'nodes s':>9}{'whole s':>9}{'nodes x':>9}{'whole x':>9}{'floor MB':>10}{'peak MB':>9}"
)


def _size_line(found: dict[str, Any]) -> str:
    rows, floor = found["rows"], found["floor"]["seconds"]
    return (
        f"{_partners(found):>9,}{rows['opportunities']:>15,}{rows['account_overlaps']:>13,}{sum(rows.values()):>13,}"
        f"{floor:>9.1f}{found['nodes_span']:>9.1f}{found['whole']:>9.1f}"
        f"{found['nodes_span'] / floor:>9.1f}{found['whole'] / floor:>9.1f}"
        f"{found['floor']['memory']:>10,.0f}{_peak(found):>9,.0f}"
    )


def _growth_line(smaller: dict[str, Any], larger: dict[str, Any]) -> str:
    pairs = (
        (sum(smaller["rows"].values()), sum(larger["rows"].values())),
        (smaller["floor"]["seconds"], larger["floor"]["seconds"]),
        (smaller["nodes_span"], larger["nodes_span"]),
        (smaller["whole"], larger["whole"]),
        (_peak(smaller), _peak(larger)),
    )
    head = f"{_partners(smaller):,} to {_partners(larger):,}"
    return f"{head:<24}" + "".join(f"{after / before:>10.1f}" for before, after in pairs)


def _partners(found: dict[str, Any]) -> int:
    return int(found["partners"])


def _peak(found: dict[str, Any]) -> float:
    return float(max(found["memory"].values()))


def _aim(found: dict[str, Any]) -> str:
    ratio = found["whole"] / found["floor"]["seconds"]
    return f"{ratio:.1f}, {'met' if ratio <= AIM_RATIO else 'not met'}"


def _equality(found: dict[str, Any]) -> list[str]:
    size = f"{_partners(found):,} partners"
    verdict = [f"{size}: the gate refused the release: {found['verdict']}"] if found["verdict"] else []
    if found["differences"]:
        return [*verdict, f"{size}: THE NUMBERS DIFFER", *(f"  {sentence}" for sentence in found["differences"])]
    return [
        *verdict,
        f"{size}: the numbers are equal",
        *(f"  {count:>10,} rows of {name}" for name, count in found["compared"].items()),
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.channel",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Generate the sample company's channel at several sizes (100 opportunities and 500 overlaps per\n"
        "partner), run everything after extraction and a hand-written SQL floor on the same lake, check that their\n"
        "numbers are equal, and print seconds, ratios, peak memory and growth.",
        epilog="examples:\n"
        "  python -m benchmarks.channel --partners 300                      a minute\n"
        "  python -m benchmarks.channel --memory-limit 8GB --keep FOLDER    all three sizes; FOLDER needs 30 GB and\n"
        "                                                                   keeps the lakes for the next time\n"
        "\n"
        "exit codes: 0 equal numbers, 1 different numbers or a run that failed. A missed aim is no failure: timings\n"
        "belong to a machine.",
    )
    parser.add_argument(
        "--partners", type=int, nargs="+", default=list(SIZES), metavar="N",
        help="sizes, each rounded up to whole sample companies of 120 (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--memory-limit", metavar="SIZE", help="for every database of both ways, such as 8GB (default: DuckDB's own)"
    )
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count() or 1, metavar="N",
        help="threads of the floor's database; the project uses all cores (default: all cores, %(default)s)",
    )  # fmt: skip
    parser.add_argument("--nodes", type=int, default=12, metavar="N", help="how many slow nodes to list (default: 12)")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="work here and leave everything for a look")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if min(options.threads, *options.partners) < 1 or max(options.partners) > MOST_PARTNERS:
        parser.error(f"--partners and --threads start at 1, --partners ends at {MOST_PARTNERS:,}")
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="segments-channel-") as scratch:
        folder = (options.keep or Path(scratch)).resolve()
        template = write_template(folder / "sample")
        for partners in options.partners:
            print(f"{partners:,} partners: the lake", file=sys.stderr, flush=True)
            channel = write_channel(folder / f"channel-{partners}", template, partners)
            print(f"{partners:,} partners: floor and project", file=sys.stderr, flush=True)
            results.append({"partners": partners, **measure(channel, options.threads, options.memory_limit)})
            if not options.keep:
                unlock(folder)
                shutil.rmtree(channel.deployment.parent)
        print(json.dumps(results, indent=2) if options.json else table(results, options.nodes))
    return 1 if any(found["differences"] for found in results) else 0


if __name__ == "__main__":
    raise SystemExit(main())

"""`python -m benchmarks.run`: the floor and the project side by side, checked equal, with every second accounted for.

What is measured is in `stages.py` and `floor.sql`; this module repeats, compares and prints. Aims are printed, never
enforced: only different numbers fail.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.exports import ADVENTUREWORKS, ROOT, Export, adventureworks, replicate, sample, write_deployment
from benchmarks.floor import differences
from benchmarks.stages import measured
from pipelines.release import unlock

AIM_RATIO, AIM_FIXED_SECONDS, AIM_MEGABYTES = 2.0, 25.0, 1000.0
STAGES: dict[str, str] = {
    "imports": "imports",
    "parse": "dbt parse",
    "extract": "extract",
    "lay_inputs": "lay inputs",
    "nodes": "dbt nodes (sum)",
    "nodes_span": "dbt nodes (first start to last end)",
    "dbt": "dbt whole command",
    "candidate": "candidate",
    "judge": "judge",
    "release": "release",
}
FIXED: dict[str, str] = {
    "imports": "imports",
    "parse": "dbt parse",
    "dbt_outside_nodes": "dbt outside its nodes",
    "judge_set_up": "suite set-up (judge without its queries)",
    "release": "release",
}


def run_once(deployment: Path, folder: Path, threads: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The floor, then the project on an empty state; each in a process of its own."""
    state = deployment.parent / "state"
    if state.exists():
        unlock(state)
        _remove(state)
    floor = measured(str(deployment), "--floor", str(folder / "floor.duckdb"), "--threads", str(threads))
    rooms = measured(str(deployment))
    return floor, rooms


def measure(export: Export, times: int, repeats: int, threads: int, folder: Path) -> dict[str, Any]:
    """Medians over `repeats` runs of one size, and what differs between the two ways."""
    grown = folder / f"export-{times}"
    rows = replicate(export.folder, grown, times)
    deployment = write_deployment(folder / f"run-{times}", replace(export, folder=grown))
    floors, rooms = [], []
    differing: list[str] = []
    for number in range(1, repeats + 1):
        print(f"{export.name} x {times}: run {number} of {repeats}", file=sys.stderr, flush=True)
        floor, project = run_once(deployment, folder, threads)
        floors.append(floor)
        rooms.append(project)
        found = differences(folder / "floor.duckdb", Path(project["candidate"]) / "segments.duckdb")
        differing = [difference.sentence() for difference in found]
        if differing:
            break
    if len({project["release"] for project in rooms}) > 1:
        differing.append("the project gave different releases for the same export")
    return {"export": export.name, "times": times, "rows": rows, "differences": differing, **_medians(floors, rooms)}


def _medians(floors: list[dict[str, Any]], rooms: list[dict[str, Any]]) -> dict[str, Any]:
    for project in rooms:
        seconds = {name: stage["seconds"] for name, stage in project["stages"].items()}
        nodes = sum(project["nodes"].values())
        project["seconds"] = seconds | {"nodes": nodes, "nodes_span": project["nodes_span"]}
        project["fixed"] = {
            "imports": seconds["imports"],
            "parse": seconds["parse"],
            "dbt_outside_nodes": seconds["dbt"] - project["nodes_span"],
            "judge_set_up": seconds["judge"] - project["judge_asking"],
            "release": seconds["release"],
        }
    return {
        "floor": {key: median(x["stages"]["floor"][key] for x in floors) for key in ("seconds", "cpu")}
        | {"memory": median(x["memory_self"] for x in floors)},
        "seconds": {name: median(x["seconds"][name] for x in rooms) for name in STAGES},
        "cpu": {name: median(x["stages"][name]["cpu"] for x in rooms) for name in STAGES if name in rooms[0]["stages"]},
        "fixed": {name: median(x["fixed"][name] for x in rooms) for name in FIXED},
        "nodes": {name: median(x["nodes"][name] for x in rooms) for name in rooms[0]["nodes"]},
        "expectations": rooms[0]["expectations"],
        "memory_self": median(x["memory_self"] for x in rooms),
        "memory_children": median(x["memory_children"] for x in rooms),
    }


def table(found: dict[str, Any], slowest: int) -> str:
    """One size as text for people."""
    floor = found["floor"]
    rows = found["rows"]
    lines = [
        "",
        f"{found['export']} x {found['times']}: {rows['Account']:,} accounts, {rows['Opportunity']:,} opportunities, "
        f"{rows['OpportunityPartner']:,} opportunity partners",
        f"{'':<42}{'seconds':>10}{'CPU s':>10}{'x floor':>10}",
        f"{'floor.sql':<42}{floor['seconds']:>10.2f}{floor['cpu']:>10.2f}{1:>10.1f}",
    ]
    for name, says in STAGES.items():
        seconds, cpu = found["seconds"][name], found["cpu"].get(name)
        spelled = f"{cpu:>10.2f}" if cpu is not None else f"{'':>10}"
        lines.append(f"{says:<42}{seconds:>10.2f}{spelled}{seconds / floor['seconds']:>10.1f}")
    lines += ["", "the fixed part, seconds"]
    lines += [f"  {says:<40}{found['fixed'][name]:>10.2f}" for name, says in FIXED.items()]
    fixed, ratio = sum(found["fixed"].values()), found["seconds"]["nodes"] / floor["seconds"]
    peak = max(found["memory_self"], found["memory_children"])
    aims = (
        ("dbt node time, x floor", ratio, AIM_RATIO, ".1f"),
        ("fixed part, seconds (2 quiet cores)", fixed, AIM_FIXED_SECONDS, ".1f"),
        ("peak memory of one process, MB", peak, AIM_MEGABYTES, ".0f"),
    )
    lines += [
        "",
        f"{'aims':<42}{'found':>10}{'aim':>10}",
        *(
            f"{says:<42}{value:>10{form}}{aim:>10{form}}  {'met' if value <= aim else 'not met'}"
            for says, value, aim, form in aims
        ),
        f"  this process {found['memory_self']:.0f}, its children {found['memory_children']:.0f}, "
        f"the floor {floor['memory']:.0f}",
    ]
    if slowest:
        lines += ["", "slowest nodes, seconds"]
        ordered = sorted(found["nodes"].items(), key=lambda pair: -pair[1])[:slowest]
        lines += [
            f"  {name:<40}{seconds:>10.2f}{'':>10}{seconds / floor['seconds']:>10.2f}" for name, seconds in ordered
        ]
    lines += ["", "the numbers are equal" if not found["differences"] else "THE NUMBERS DIFFER"]
    lines += [f"  {sentence}" for sentence in found["differences"]]
    return "\n".join(lines)


def _remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()
    folder.rmdir()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Run the hand-written SQL floor and the project on the same export, check that their numbers are\n"
        "equal, and print where the time goes: per stage, as a ratio to the floor, the fixed part apart.",
        epilog="examples:\n"
        "  python -m benchmarks.run                       AdventureWorks if it lies beside the repository,\n"
        "                                                 else the sample company\n"
        "  python -m benchmarks.run --times 1 30 300      the same channel at 3,796 to 1.1 million opportunities\n"
        "  python -m benchmarks.run --sample --json       the sample company, for machines\n"
        "\n"
        "exit codes: 0 equal numbers, 1 different numbers or a run that failed. A missed aim is no failure: timings\n"
        "belong to a machine.",
    )
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument(
        "--data", type=Path, metavar="FOLDER", help=f"the AdventureWorks export (default: {_default_in_words()})"
    )
    chosen.add_argument("--sample", action="store_true", help="the generated sample company instead")
    parser.add_argument(
        "--times", type=int, nargs="+", default=[1], metavar="N",
        help="copies of the channel, one table per number; ids and partner numbers get a suffix (default: 1)",
    )  # fmt: skip
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="runs per size, medians count (default: 3)")
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count() or 1, metavar="N",
        help="threads of the floor's database; the project uses all cores (default: all cores, %(default)s)",
    )  # fmt: skip
    parser.add_argument("--nodes", type=int, default=8, metavar="N", help="how many slow nodes to list (default: 8)")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="work here and leave everything for a look")
    return parser


def _default_in_words() -> str:
    return f"../{ADVENTUREWORKS.relative_to(ROOT.parent)}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if min([options.repeat, options.threads, *options.times]) < 1:
        parser.error("--times, --repeat and --threads start at 1")
    if options.data and not (options.data / "Opportunity.csv").is_file():
        parser.error(f"--data: no Opportunity.csv in {options.data}")
    with tempfile.TemporaryDirectory(prefix="segments-benchmark-") as scratch:
        folder = (options.keep or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        if options.sample or (options.data is None and not ADVENTUREWORKS.is_dir()):
            export = sample(folder / "sample")
        else:
            export = adventureworks(options.data or ADVENTUREWORKS)
        results = []
        for times in options.times:
            results.append(measure(export, times, options.repeat, options.threads, folder))
            if not options.json:
                print(table(results[-1], options.nodes), flush=True)
        if options.json:
            print(json.dumps(results, indent=2))
        if not options.keep:
            unlock(folder)
    return 1 if any(found["differences"] for found in results) else 0


if __name__ == "__main__":
    raise SystemExit(main())

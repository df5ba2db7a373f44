"""Writes docs/data-dictionary.md from what the code already says: dbt's YAML, the metric catalogue, the suites.

    python docs/generate.py            write it
    python docs/generate.py --check    end with 1 when the committed file says something else

Nothing is described here that is described elsewhere, but for the columns and tables that the release adds itself.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from data_quality.suite import read_suites  # noqa: E402 - a script finds the rooms beside it

MODELS = ROOT / "dbt_project" / "models"
TARGET = ROOT / "docs" / "data-dictionary.md"

HEAD = """\
# Data dictionary

Made by `python docs/generate.py` from `dbt_project/`, `data_quality/suites/` and the metric catalogue; change those,
not this file. A test holds it equal.

Amounts are in the reporting currency of the deployment. NULL means *unknown* wherever a number could be 0. Times are
UTC; quarters are fiscal quarters of the deployment, written `2026Q3`. No released table holds names of customers, names
of people, or e-mail addresses; but for `approved_by`, where somebody may have signed with a name instead of a role.

## Released tables

What `segments query` sees, and what lies in `released/segments.duckdb` and in every release folder.
"""

# Added when a candidate is laid down and when it is released (pipelines/release.py).
RELEASE_COLUMN = ("release", "varchar", "Id of the release: quarter and a hash of policy, inputs and tables.")
OWN_TABLES: dict[str, tuple[str, list[tuple[str, str, str]]]] = {
    "data_quality_results": (
        "One row per release and expectation the gate asked of it: this release and those before it in its chain, the "
        "last 100.",
        [
            ("release", "varchar", "The release it was asked of; `releases` says which came when."),
            ("suite", "varchar", "Suite the expectation stands in."),
            ("table_name", "varchar", "Table it was asked of."),
            ("expectation", "varchar", "Name of the expectation."),
            ("severity", "varchar", "critical, warning or info; only critical ones refuse a release."),
            ("has_passed", "boolean", "Whether it holds; every critical one does, unless a person overruled it."),
            ("observed", "varchar", "What was found; empty when it holds."),
            (
                "unexpected_count",
                "bigint",
                "How many rows were not as they should be; NULL when it holds, or when it counts no rows.",
            ),
            ("says", "varchar", "What a failure of it means, in words."),
        ],
    ),
    "releases": (
        "One row per release in the chain that led to this one, itself included.",
        [
            ("position", "integer", "1 = the first."),
            ("release", "varchar", "The release."),
            ("quarter", "varchar", "Fiscal quarter it decided."),
            ("policy", "varchar", "Policy that decided."),
            ("version", "varchar", "Version of that policy."),
            ("known_at", "timestamp", "Moment of the newest load used (UTC)."),
            ("partner_count", "bigint", "Partners in it."),
            ("previous_release", "varchar", "The release before it; NULL for the first."),
            ("approved_by", "varchar", "Who let it out although the gate refused it; NULL: it was not refused."),
            ("approval_reason", "varchar", "Why, in that person's words."),
        ],
    ),
}

STEPS = (
    ("staging/salesforce", "Staging: Salesforce", "Views. One vendor's columns renamed and cast, every load in sight."),
    (
        "staging/files",
        "Staging: files",
        "Inlined. Templates cast, their words put into the common ones of `value_map`.",
    ),
    ("intermediate/identity", "Identity", "Which records are one partner, and what can be known of it."),
    ("intermediate/metrics", "Metrics", "What a partner did, quarter by quarter and window by window."),
    ("intermediate/scoring", "Scoring", "From values to points, dimensions and totals, for every policy at once."),
    ("intermediate/ladders", "Ladders", "From conditions to levels reached, earned and held."),
    ("staging/policy", "Policy as rows", "The only form in which SQL meets a programme."),
    ("staging/deployment", "Deployment as rows", "The deployment file and the run."),
    ("staging/released", "Decisions on record", "What earlier releases decided."),
)


def models_in(folder: str) -> list[dict[str, Any]]:
    """The models described in one folder, in the order of its YAML."""
    (path,) = (MODELS / folder).glob("_*__models.yml")
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = content["models"]
    return found


def metrics() -> list[dict[str, str]]:
    """The metric catalogue."""
    path = ROOT / "dbt_project" / "seeds" / "metric_catalogue.csv"
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def suites() -> list[dict[str, Any]]:
    """The suites of the gate, by name."""
    return [suite.model_dump() for suite in read_suites()]


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _columns(columns: list[tuple[str, str, str]]) -> str:
    return _table(["column", "type", "what"], [[f"`{name}`", kind, what] for name, kind, what in columns])


def _described(model: dict[str, Any]) -> list[tuple[str, str, str]]:
    made = []
    for column in model["columns"]:
        never_null = any(rule["type"] == "not_null" for rule in column.get("constraints", []))
        what = column["description"].rstrip(".") + (". Never NULL." if never_null else ".")
        made.append((column["name"], column["data_type"], what))
    return made


def text() -> str:
    """The whole file."""
    parts = [HEAD]
    for model in models_in("marts"):
        columns = _described(model)
        if model["name"] == "partner_segments":
            columns.append(RELEASE_COLUMN)
        parts.append(f"### {model['name']}\n\n{model['description']}\n\n{_columns(columns)}")
    for name, (description, columns) in OWN_TABLES.items():
        parts.append(f"### {name}\n\n{description}\n\n{_columns(columns)}")
    parts.append(
        "## Metrics\n\nThe catalogue. A policy may use any of these by name; the window is the policy's choice."
        "\n\n"
        + _table(
            ["metric", "dimension", "unit", "better", "what", "from"],
            [
                [
                    f"`{row['metric']}`",
                    row["dimension"].replace("_", " "),
                    row["unit"],
                    row["direction"],
                    row["definition"],
                    row["sources"].replace(";", ", "),
                ]
                for row in metrics()
            ],
        )
    )
    parts.append(
        "## Conformed entities\n\nThe inner wall: whatever source a row came from, this is its shape. Tables of the"
        " schema `conformed`, private to the run. Rows that break a row rule are in the schema `quarantine` with the"
        " rule's name.\n"
    )
    for model in models_in("intermediate/conformed"):
        if "columns" in model:
            parts.append(f"### {model['name']}\n\n{model['description']}\n\n{_columns(_described(model))}")
    parts.append("## Everything between\n\nPrivate to the run; read them when you follow a number back.\n")
    helpers = [model for model in models_in("intermediate/conformed") if "columns" not in model]
    for title, what, models in [
        ("Conformed: on the way", "From the union of the sources to the split into table and quarantine.", helpers),
        *((title, what, models_in(folder)) for folder, title, what in STEPS),
    ]:
        rows = [[f"`{model['name']}`", model["description"]] for model in models]
        parts.append(f"### {title}\n\n{what}\n\n{_table(['model', 'what'], rows)}")
    rows = [
        [f"`{suite['suite']}`", suite["place"], str(len(suite["expectations"])), " ".join(suite["description"].split())]
        for suite in suites()
    ]
    parts.append(
        "## What the gate asks\n\nSuites in `data_quality/suites/`; `place` is where the judged table lies.\n\n"
        + _table(["suite", "place", "expectations", "what"], rows)
    )
    return "\n".join(parts)


def main() -> int:
    """Write the file, or with `--check` compare it."""
    made = text()
    if "--check" in sys.argv[1:]:
        if not TARGET.exists() or TARGET.read_text(encoding="utf-8") != made:
            print("docs/data-dictionary.md is out of date: run `python docs/generate.py`")
            return 1
        return 0
    TARGET.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

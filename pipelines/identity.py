"""What identity rests on besides the records themselves: the hand-made crosswalk and the public suffix list.

How records become partners is SQL (`dbt_project/models/intermediate/identity`); this module only lays down its inputs.
"""

from __future__ import annotations

import csv
import difflib
from functools import cache
from pathlib import Path
from typing import Any

from pipelines.errors import ConfigError
from pipelines.settings import Settings

KINDS = ("crm", "prm", "account_mapping")
"""Kinds of systems in the order in which they are believed about who a partner is."""

_COLUMNS = ("source", "source_id", "partner_number")


def read_crosswalk(settings: Settings, sources: list[str]) -> list[dict[str, Any]]:
    """The crosswalk of a deployment: one row per record that somebody has assigned to a partner.

    A partner_number is the number of a partner, or the id of a record that has no number.

    Raises:
        ConfigError: the file is missing or not as described, or names an unknown source or one record twice.
    """
    if settings.identity.crosswalk is None:
        return []
    path = (settings.file.parent / settings.identity.crosswalk).resolve()
    place = f"{settings.file}: identity.crosswalk: {path.name}"
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            lines = csv.DictReader(handle)
            missing = [name for name in _COLUMNS if name not in (lines.fieldnames or [])]
            if missing:
                raise ConfigError(
                    f"{place}: the header has no {', '.join(missing)}; nothing was run",
                    next_step="its columns are source, source_id, partner_number, why",
                )
            rows = [{name: (line[name] or "").strip() for name in _COLUMNS} for line in lines]
    except FileNotFoundError:
        raise ConfigError(f"{place}: no such file; nothing was run") from None
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise ConfigError(f"{place}: cannot be read ({problem}); nothing was run") from None
    seen: dict[tuple[str, str], int] = {}
    for number, row in enumerate(rows, 1):
        blank = [name for name in _COLUMNS if not row[name]]
        if blank:
            raise ConfigError(f"{place}: row {number}: {', '.join(blank)} is blank; nothing was run")
        if row["source"] not in sources:
            near = difflib.get_close_matches(row["source"], sources, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigError(
                f"{place}: row {number}: source {row['source']!r} is not configured; {hint}"
                f"sources: {', '.join(sources)}; nothing was run"
            )
        record = (row["source"], row["source_id"])
        if record in seen:
            raise ConfigError(
                f"{place}: row {number}: {record[0]} record {record[1]} is assigned in row {seen[record]} already; "
                "nothing was run"
            )
        seen[record] = number
    return rows


@cache
def _suffix_rows() -> tuple[tuple[str, str], ...]:
    import publicsuffixlist

    found = []
    for line in Path(publicsuffixlist.PSLFILE).read_text(encoding="utf-8").splitlines():
        rule = line.split("//")[0].strip().lower()
        if not rule:
            continue
        if rule.startswith("!"):
            found.append((rule[1:], "exception"))
        elif rule.startswith("*."):
            found.append((rule[2:], "wildcard"))
        else:
            found.append((rule, "plain"))
    return tuple(sorted(set(found)))


def public_suffixes() -> list[dict[str, Any]]:
    """The public suffix list (publicsuffix.org) as rows: plain suffixes, `*.` rules by their base, and exceptions."""
    return [{"suffix": suffix, "kind": kind} for suffix, kind in _suffix_rows()]

"""Reads a suite: what must be true of one table, each rule with its severity and the words that tell its failure.

Rules are written in the words of `promise.py`, a module per table in `suites/`; running them is `gate.py`. Only
expectation types whose verdict has been proven on DuckDB are in the language (see `TYPES`); everything else is said in
SQL, as the rows that must not exist. An empty table passes most rules, so a suite without a row floor and without
explicit not-null rules for its keys is refused here.

Which entities there are depends on the sources of a deployment: `for_entities` leaves out what cannot be asked of them
and writes out what is asked of all of them.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import re
from collections.abc import Collection, Iterable
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from data_quality import suites
from data_quality.facts import FACTS, rows_of
from data_quality.parameters import PARAMETERS, RESULT_NAMES, placeholders
from pipelines.errors import ConfigError

Severity = Literal["critical", "warning", "info"]

ROW_COUNT = "ExpectTableRowCountToBeBetween"
NOT_NULL = "ExpectColumnValuesToNotBeNull"
ROWS = "UnexpectedRowsExpectation"
JUDGED = "judged"
"""In a query, `{judged}` is what the suite judges: its table, or its source in brackets."""
HOLDS_AT = "row_holds_at"
"""In a query's condition, `{row_holds_at}` is true of a judged row with an @ in any of its text columns."""
UNIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "believed_rows": ("conformed", ("source", "source_id", "extracted_at", "is_deleted", "is_test")),
    "quarantine_rows": ("quarantine", ("source", "source_id", "reject_reason", "reject_detail")),
}
"""In a query or a source, `{believed_rows}` and `{quarantine_rows}` are the rows of every entity the deployment's
sources offer, in brackets: a column `entity`, then these columns of the tables in that schema."""
PLACES = {*UNIONS, "set_aside_rows", *FACTS}
"""Every name that is written out by what the sources offer: those; `{set_aside_rows}`, the source and
reason of every row that was set aside, also of those that nothing speaks against; and the facts of `facts.py`."""

TYPES: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    ROW_COUNT: (frozenset({"min_value"}), frozenset({"max_value"})),
    NOT_NULL: (frozenset({"column"}), frozenset()),
    "ExpectColumnValuesToBeInSet": (frozenset({"column", "value_set"}), frozenset()),
    "ExpectColumnValuesToBeBetween": (frozenset({"column"}), frozenset({"min_value", "max_value"})),
    ROWS: (frozenset(), frozenset()),
}
"""Type -> arguments it must have, arguments it may have. A new type comes with its SQL in `gate.py` and a canary."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Expectation(_Strict):
    """One rule."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    type: str
    severity: Severity
    says: str = Field(min_length=10)
    kwargs: dict[str, Any] = {}
    query: str | None = Field(default=None, description="the rows that must not exist; for UnexpectedRowsExpectation")

    @model_validator(mode="after")
    def _is_in_the_language(self) -> Expectation:
        if self.type not in TYPES:
            near = difflib.get_close_matches(self.type, TYPES, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"type {self.type!r} is not one of {', '.join(sorted(TYPES))}{hint}")
        must, may = TYPES[self.type]
        if missing := must - self.kwargs.keys():
            raise ValueError(f"{self.name}: {self.type} needs kwargs {', '.join(sorted(missing))}")
        if unknown := self.kwargs.keys() - must - may:
            raise ValueError(f"{self.name}: {self.type} does not take kwargs {', '.join(sorted(unknown))}")
        if (self.query is not None) != (self.type == ROWS):
            raise ValueError(f"{self.name}: a query belongs to {ROWS}, and to it alone")
        for what, text, names in (
            ("says", self.says, {*PARAMETERS, *RESULT_NAMES}),
            ("query", self.query or "", {*PARAMETERS, JUDGED, HOLDS_AT, *PLACES}),
            ("kwargs", str(self.kwargs.values()), {*PARAMETERS}),
        ):
            if unknown_names := placeholders(text) - names:
                listed = ", ".join(f"{{{name}}}" for name in sorted(unknown_names))
                raise ValueError(f"{self.name}: {what} names unknown {listed}; known: {', '.join(sorted(names))}")
        return self


class Suite(_Strict):
    """The rules of one table."""

    suite: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    place: Literal["conformed", "warehouse", "candidate"]
    table: str = Field(pattern=r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$")
    description: str = Field(min_length=10)
    key: list[str] = Field(min_length=1, description="the columns that name a row; each needs a critical not-null rule")
    floor: str = Field(description="the rule that fails when the table is empty")
    source: str | None = Field(default=None, description="SELECT to judge in place of the table itself")
    entity: str | None = Field(
        default=None, description="conformed entity it is about; judged only where a source offers it"
    )
    expectations: list[Expectation] = Field(min_length=2)

    @model_validator(mode="after")
    def _cannot_be_passed_by_an_empty_table(self) -> Suite:
        names = [rule.name for rule in self.expectations]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"expectation names must be unique, these stand twice: {', '.join(twice)}")
        if self.place == "warehouse" and "." not in self.table and self.source is None:
            raise ValueError("place: warehouse needs table: <schema>.<table>, or a source")
        if self.place == "conformed" and self.entity not in (None, self.table):
            raise ValueError(f"entity {self.entity!r}: a conformed table is an entity itself, expected {self.table!r}")
        if unknown := placeholders(self.source or "") - {*PARAMETERS, *PLACES}:
            raise ValueError(f"source names unknown {', '.join(f'{{{name}}}' for name in sorted(unknown))}")
        floor = next((rule for rule in self.expectations if rule.name == self.floor), None)
        if floor is None or floor.severity != "critical" or not _is_floor(floor):
            raise ValueError(
                f"floor {self.floor!r} must name a critical row-count floor: {ROW_COUNT} with min_value of at least 1, "
                f"or a {ROWS} that compares the count with what is due"
            )
        guarded = {r.kwargs["column"] for r in self.expectations if r.type == NOT_NULL and r.severity == "critical"}
        if bare := [column for column in self.key if column not in guarded]:
            raise ValueError(f"key columns without a critical {NOT_NULL}: {', '.join(bare)}")
        return self

    @property
    def about(self) -> str | None:
        """The entity without which there is nothing to judge; None: there always is."""
        return self.table if self.place == "conformed" else self.entity

    @property
    def relation(self) -> str:
        """The table's name inside the judging session."""
        if self.source is not None:
            return f"({self.source.strip()})"
        return self.table if self.place == "warehouse" else f"{self.place}.{self.table}"

    @property
    def select(self) -> str:
        """The SELECT that is judged."""
        return self.source.strip() if self.source is not None else f"select * from {self.relation}"


# What a query reads of the releases on record: with what it compares, as `pipelines.release.compared_with` calls it.
_ON_RECORD: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"\bdeployment\.load_changes\b", ("loads",)),
    (r"\breleased\.(?:identities|former_changes)\b", ("ids",)),
    (r"\{previous_partner_count\}", ("count",)),
    (r"\breleased\.(?:compared|scores)\b", ("quarter_before", "same_quarter")),
)


def compares(suite: Suite, rule: Expectation) -> frozenset[str]:
    """With which releases an expectation compares a candidate; none for what holds or fails by itself.

    Once such a release contains what was found, the comparison finds it no more, mended or not. What was decided for
    earlier quarters is no such case: no release replaces that record.
    """
    asked = (rule.query or "").replace(f"{{{JUDGED}}}", suite.relation)
    return frozenset(name for words, names in _ON_RECORD if re.search(words, asked) for name in names)


def _is_floor(rule: Expectation) -> bool:
    if rule.type == ROW_COUNT:
        least = rule.kwargs["min_value"]
        return isinstance(least, int) and least >= 1
    return rule.type == ROWS


def checked(content: dict[str, Any]) -> Suite:
    """A suite of its parts.

    Raises:
        ConfigError: one line per mistake, with the suite's name and the key path.
    """
    name = content.get("suite")
    try:
        suite = Suite.model_validate(content)
    except ValidationError as error:
        lines = [f"suite {name}: {_key_path(item['loc'])}: {item['msg']}" for item in error.errors()]
        raise ConfigError("\n".join(lines), next_step="correct the suite; nothing was judged") from error
    if suite.place == "candidate" and suite.table != suite.suite:
        raise ConfigError(f"suite {name}: table: a released table's suite bears its name, found {suite.table!r}")
    return suite


@cache
def read_suites() -> tuple[Suite, ...]:
    """Every suite in `suites/`, by name.

    Raises:
        ConfigError: a module there defines no `SUITE`, or one of another name, or one that is unsound.
    """
    found = []
    for module in sorted(item.name for item in pkgutil.iter_modules(suites.__path__)):
        suite = getattr(importlib.import_module(f"{suites.__name__}.{module}"), "SUITE", None)
        if not isinstance(suite, Suite) or suite.suite != module:
            raise ConfigError(f"suites/{module}.py: expected SUITE = suite({module!r}, ...); nothing was judged")
        found.append(suite)
    return tuple(found)


def for_entities(suites: Iterable[Suite], entities: Collection[str]) -> list[Suite]:
    """What can be asked where `entities` are offered: no suite about another one, every union written out."""
    offered = sorted(entities)
    if not offered:
        raise ConfigError("the gate was called without entities; nothing was judged")
    unions = {name: _union(schema, columns, offered) for name, (schema, columns) in UNIONS.items()}
    unions["set_aside_rows"] = _union("quarantine", ("source", "reject_reason"), offered, table="{}_set_aside")
    unions |= {name: rows_of(name, offered) for name in FACTS}
    return [_written_out(suite, unions) for suite in suites if suite.about is None or suite.about in offered]


def _union(schema: str, columns: tuple[str, ...], entities: list[str], *, table: str = "{}") -> str:
    parts = (
        f"select '{entity}' as entity, {', '.join(columns)} from {schema}.{table.format(entity)}" for entity in entities
    )
    return f"({' union all '.join(parts)})"


def _written_out(suite: Suite, unions: dict[str, str]) -> Suite:
    def write_out(sql: str | None) -> str | None:
        for name, rows in unions.items():
            sql = sql.replace(f"{{{name}}}", rows) if sql else sql
        return sql

    rules = [rule.model_copy(update={"query": write_out(rule.query)}) for rule in suite.expectations]
    return suite.model_copy(update={"source": write_out(suite.source), "expectations": rules})


def _key_path(location: tuple[int | str, ...]) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return path.lstrip(".") or "whole file"

"""A small honest part of SOQL: what an extractor needs, and the vendor's own words for everything else.

    select f1, f2 from Object [where f op value and f in (v1, v2) ...] [order by f [asc|desc], ...] [limit n]
    select count() from Object [where ...]

A field may be reached over one parent (`Opportunity.SystemModstamp`) in conditions. Dates and moments stand without
quotes, texts in single quotes. What this part does not know is `MALFORMED_QUERY`, never a guess.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Value = str | int | float | bool | None

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*')"
    r"|(?P<moment>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))"
    r"|(?P<date>\d{4}-\d\d-\d\d)"
    r"|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<name>[A-Za-z_][\w.]*)"
    r"|(?P<sign><=|>=|!=|<>|[=<>(),]))"
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_KEYWORDS = frozenset({"select", "from", "where", "and", "in", "order", "by", "limit", "asc", "desc"})


class SoqlError(Exception):
    """What the vendor answers in place of rows: an error code and a message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Condition:
    """`field op value`; with `in` the value is a tuple."""

    field: str
    op: str
    value: Any
    at: int
    """Where the field stands in the text, from 1."""

    def holds(self, value: Value) -> bool:
        """Whether a record's value passes. Null equals null and nothing else; it is neither more nor less."""
        if self.op == "in":
            return value in self.value
        if value is None or self.value is None:
            return _COMPARE[self.op](value, self.value) if self.op in ("=", "!=", "<>") else False
        if isinstance(value, str) != isinstance(self.value, str):
            return self.op in ("!=", "<>")
        return _COMPARE[self.op](value, self.value)


@dataclass(frozen=True)
class Query:
    """A parsed statement. `fields` is empty for `count()`."""

    text: str
    object: str
    object_at: int
    fields: tuple[tuple[str, int], ...]
    conditions: tuple[Condition, ...] = ()
    order: tuple[tuple[str, bool], ...] = ()
    limit: int | None = None

    @property
    def is_count(self) -> bool:
        """Whether it asks for a number alone."""
        return not self.fields

    def names(self) -> list[str]:
        """The selected fields, as they were spelled."""
        return [name for name, _ in self.fields]


def parse(text: str) -> Query:
    """The statement as a `Query`.

    Raises:
        SoqlError: MALFORMED_QUERY, for what is none and for what this part of SOQL does not have.
    """
    return _Parser(text).query()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str, int]] = []
        place = 0
        while place < len(text.rstrip()):
            match = _TOKEN.match(text, place)
            if match is None or match.lastgroup is None:
                raise SoqlError("MALFORMED_QUERY", f"unexpected token: '{text[place:].split()[0]}'")
            self._tokens.append((match.lastgroup, match[match.lastgroup], match.start(match.lastgroup) + 1))
            place = match.end()
        self._next = 0

    def query(self) -> Query:
        self._word("select")
        fields = self._fields()
        self._word("from")
        name, at = self._name()
        conditions: list[Condition] = []
        if self._has("where"):
            conditions.append(self._condition())
            while self._has("and"):
                conditions.append(self._condition())
        order: list[tuple[str, bool]] = []
        if self._has("order"):
            self._word("by")
            order.append(self._ordering())
            while self._sign(","):
                order.append(self._ordering())
        limit = None
        if self._has("limit"):
            kind, value, _ = self._take()
            if kind != "number" or not value.isdigit():
                raise SoqlError("MALFORMED_QUERY", f"unexpected token: '{value}'")
            limit = int(value)
        if self._next < len(self._tokens):
            raise SoqlError("MALFORMED_QUERY", f"unexpected token: '{self._tokens[self._next][1]}'")
        return Query(self._text, name, at, tuple(fields), tuple(conditions), tuple(order), limit)

    def _fields(self) -> list[tuple[str, int]]:
        fields = [self._name()]
        if fields[0][0].lower() == "count" and self._sign("("):
            self._must(")")
            return []
        while self._sign(","):
            fields.append(self._name())
        lower = [name.lower() for name, _ in fields]
        for name in lower:
            if lower.count(name) > 1:
                raise SoqlError("MALFORMED_QUERY", f"duplicate field selected: {name}")
        return fields

    def _condition(self) -> Condition:
        name, at = self._name()
        if self._has("in"):
            self._must("(")
            values = [self._value()]
            while self._sign(","):
                values.append(self._value())
            self._must(")")
            return Condition(name, "in", tuple(values), at)
        kind, op, _ = self._take()
        if kind != "sign" or op not in _COMPARE:
            raise SoqlError("MALFORMED_QUERY", f"unexpected token: '{op}'")
        return Condition(name, op, self._value(), at)

    def _ordering(self) -> tuple[str, bool]:
        name, _ = self._name()
        if self._has("desc"):
            return name, True
        self._has("asc")
        return name, False

    def _value(self) -> Value:
        kind, text, _ = self._take()
        if kind == "text":
            return re.sub(r"\\(.)", r"\1", text[1:-1])
        if kind == "moment":
            return wire_moment(datetime.fromisoformat(text))
        if kind == "number":
            return float(text) if "." in text else int(text)
        if kind == "date":
            return text
        if kind == "name" and text.lower() in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[text.lower()]
        raise SoqlError("MALFORMED_QUERY", f"unexpected token: '{text}'")

    def _name(self) -> tuple[str, int]:
        kind, text, at = self._take()
        if kind != "name" or text.lower() in _KEYWORDS:
            raise SoqlError("MALFORMED_QUERY", f"unexpected token: '{text}'")
        return text, at

    def _take(self) -> tuple[str, str, int]:
        if self._next >= len(self._tokens):
            raise SoqlError("MALFORMED_QUERY", "unexpected token: '<EOF>'")
        self._next += 1
        return self._tokens[self._next - 1]

    def _has(self, word: str) -> bool:
        if self._next < len(self._tokens):
            kind, text, _ = self._tokens[self._next]
            if kind == "name" and text.lower() == word:
                self._next += 1
                return True
        return False

    def _word(self, word: str) -> None:
        if not self._has(word):
            found = self._tokens[self._next][1] if self._next < len(self._tokens) else "<EOF>"
            raise SoqlError("MALFORMED_QUERY", f"unexpected token: '{found}'")

    def _sign(self, sign: str) -> bool:
        if self._next < len(self._tokens) and self._tokens[self._next][:2] == ("sign", sign):
            self._next += 1
            return True
        return False

    def _must(self, sign: str) -> None:
        if not self._sign(sign):
            raise SoqlError("MALFORMED_QUERY", f"expecting a '{sign}'")


def wire_moment(moment: datetime) -> str:
    """A moment as REST answers spell it: UTC, milliseconds, an offset without a colon. Such texts sort by time."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"


def no_such_column(query: Query, name: str, at: int) -> SoqlError:
    """INVALID_FIELD as the vendor words it."""
    return SoqlError(
        "INVALID_FIELD",
        f"\n{query.text}\n{' ' * (at - 1)}^\nERROR at Row:1:Column:{at}\nNo such column '{name}' on entity "
        f"'{query.object}'. If you are attempting to use a custom field, be sure to append the '__c' after the custom "
        "field name. Please reference your WSDL or the describe call for the appropriate names.",
    )


def no_such_object(query: Query) -> SoqlError:
    """INVALID_TYPE as the vendor words it."""
    at = query.object_at
    return SoqlError(
        "INVALID_TYPE",
        f"\n{query.text}\n{' ' * (at - 1)}^\nERROR at Row:1:Column:{at}\nsObject type '{query.object}' is not "
        "supported. If you are attempting to use a custom object, be sure to append the '__c' after the entity name. "
        "Please reference your WSDL or the describe call for the appropriate names.",
    )

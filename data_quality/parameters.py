"""The run parameters a suite may name in braces, and their safe substitution into SQL, arguments and sentences.

In SQL a value becomes a literal (`quarter = {quarter}` reads `quarter = '2026Q3'`): suites put no quotes around a
placeholder, and no value can end its own string. What the values are for a run is decided above, by whoever calls
`gate.judge`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from pipelines.errors import ConfigError

REQUIRED: Any = object()


@dataclass(frozen=True)
class Parameter:
    """What a parameter means and what it is when the caller says nothing."""

    meaning: str
    default: Any = REQUIRED


PARAMETERS: dict[str, Parameter] = {
    "quarter": Parameter("the fiscal quarter being released, as text: 2026Q3"),
    "quarter_start": Parameter("its first day"),
    "quarter_end": Parameter("its last day"),
    "as_of": Parameter("the day the run speaks for"),
    "known_at": Parameter("time of the newest load the run could see; none = no limit"),
    "policy": Parameter("name of the active policy"),
    "version": Parameter("its version"),
    "max_quarantined_share": Parameter("largest believable share of quarantined rows of an entity", 0.05),
    "min_rows_share_of_last": Parameter("smallest believable size of a full load against the one before it", 0.5),
    "max_gone_share": Parameter("largest believable share of records that are gone since the last release", 0.02),
    "max_negative_share": Parameter("largest believable share of a quarter's won deals below zero", 0.02),
    "max_emptied_share": Parameter("largest believable share of rows without what stood or should stand there", 0.2),
    "max_changed_share": Parameter("largest believable share of old records that say something else now", 0.25),
    "max_rewritten_share": Parameter(
        "largest believable share of old numbers scaled, or old dates moved by a year", 0.05
    ),
    "max_born_again_share": Parameter("largest believable share of records whose moment of creation changed", 0.005),
    "max_unit_factor": Parameter("largest believable ratio of a quarter's median to that of the four before", 5.0),
    "min_quarter_share": Parameter(
        "smallest believable size of a quarter against the smallest of the four before", 0.25
    ),
    "min_history_rows": Parameter("rows in each quarter from which on quarters are compared", 20),
    "max_one_partner_share": Parameter("largest believable share of a quarter that one partner comes to have", 0.5),
    "max_one_day_share": Parameter("largest believable share of a quarter that happens on one day", 0.5),
    "max_disorder_share": Parameter("largest believable share of rows that end before they begin", 0.05),
    "max_broken_links_share": Parameter("largest believable share of links to records that are nowhere", 0.2),
    "max_unknown_words_share": Parameter("largest believable share of words that no map knows", 0.2),
    "max_repeated_share": Parameter("largest believable share of rows that repeat another one's content", 0.01),
    "score_shift_warning": Parameter("population stability index of the total scores that is worth telling", 0.10),
    "score_shift_limit": Parameter("population stability index of the total scores that refuses", 0.25),
    "score_shift_min_partners": Parameter("scored partners from which on scores are compared", 50),
    "max_lost_scores_share": Parameter("largest believable share of scored partners without a score now", 0.05),
    "max_left_partners_share": Parameter("largest believable share of partners who are none any more", 0.10),
    "max_moves_share": Parameter("largest believable share of moves on a ladder without a guardrail", 0.5),
    "previous_release": Parameter(
        "id of the release that is current while this one is judged; none = there is none", None
    ),
    "previous_partner_count": Parameter("partners in the previous release; 0 = there is none", 0),
    "suppress_overlap_below": Parameter("overlap counts from 1 to one below this are kept back; 0 = none", 0),
    "refuse_stale_sources": Parameter("whether a source last read before the quarter's end is refused", False),
    "pseudo_partners": Parameter("names, numbers or ids configured as no real partners", ()),
}
"""Every name a suite may use. A new one is added here first, so that a typing error is found when suites are read."""

RESULT_NAMES = ("observed", "unexpected_count", "sample")
"""What a sentence may name besides: facts of the failed expectation itself."""

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def complete(given: Mapping[str, Any]) -> dict[str, Any]:
    """`given` with defaults filled in.

    Raises:
        ConfigError: a parameter without default is missing, or one has no literal form.
    """
    values = {name: known.default for name, known in PARAMETERS.items()}
    values.update(given)
    missing = [f"{name} ({PARAMETERS[name].meaning})" for name, value in values.items() if value is REQUIRED]
    if missing:
        raise ConfigError(f"the gate was called without: {', '.join(missing)}; nothing was judged")
    for name, value in values.items():
        try:
            as_sql(value)
        except TypeError as error:
            raise ConfigError(f"gate parameter {name}: {error}; nothing was judged") from error
    return values


def placeholders(text: str) -> set[str]:
    """The names in braces in `text`."""
    return set(_PLACEHOLDER.findall(text))


def in_sql(sql: str, values: Mapping[str, Any]) -> str:
    """`sql` with every placeholder as a literal."""
    return _substitute(sql, values, as_sql)


def in_words(text: str, values: Mapping[str, Any]) -> str:
    """`text` with every placeholder as a person would write it."""
    return _substitute(text, values, as_words)


def in_argument(value: Any, values: Mapping[str, Any]) -> Any:
    """An expectation's argument: a string that is one placeholder becomes the typed value, anything else stays."""
    if isinstance(value, list):
        return [in_argument(item, values) for item in value]
    if not isinstance(value, str):
        return value
    alone = _PLACEHOLDER.fullmatch(value)
    return _value(alone.group(1), values) if alone else in_words(value, values)


def as_sql(value: Any) -> str:
    """`value` as a DuckDB literal; a collection becomes a list for `in`, and an empty one matches nothing."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return str(value)
    if isinstance(value, datetime):
        return f"timestamp '{_utc(value).isoformat(sep=' ')}'"
    if isinstance(value, date):
        return f"date '{value.isoformat()}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, Iterable) and not isinstance(value, Mapping | bytes):
        return "(" + (", ".join(as_sql(item) for item in value) or "null") + ")"
    raise TypeError(f"a {type(value).__name__} has no SQL literal")


def as_words(value: Any) -> str:
    """`value` for a sentence or a JSON file."""
    if value is None:
        return "none"
    if isinstance(value, datetime):
        return _utc(value).isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str | int | float | Decimal):
        return str(value)
    return ", ".join(as_words(item) for item in value) or "none"


def _substitute(text: str, values: Mapping[str, Any], form: Callable[[Any], str]) -> str:
    return _PLACEHOLDER.sub(lambda match: form(_value(match.group(1), values)), text)


def _value(name: str, values: Mapping[str, Any]) -> Any:
    try:
        return values[name]
    except KeyError:
        raise ConfigError(f"unknown placeholder {{{name}}}; known: {', '.join(sorted(values))}") from None


def _utc(value: datetime) -> datetime:
    return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value

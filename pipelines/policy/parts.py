"""The small parts every piece of the policy language is made of: the strict base model and the kinds of value.

What a policy may say with them stands in `model.py` and `conditions.py`; how a complaint reads to people in
`reading.py`.
"""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

# What the columns of the schema `policy` can hold (DECIMAL(28,6)); a longer number would be rounded without a word.
MAX_DECIMALS = 6
MAX_WHOLE_DIGITS = 22


def nearest(name: object, known: Iterable[str]) -> str:
    """The known name that looks most like `name`, or "" when none does."""
    folded = {candidate.casefold(): candidate for candidate in sorted(known)}
    matches = difflib.get_close_matches(str(name).casefold(), folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else ""


def complaint(expected: str, **context: Any) -> PydanticCustomError:
    """An error of our own: `expected` says what should stand there (the reader adds file, line, key and value)."""
    return PydanticCustomError("policy", "expected {expected}", {"expected": expected, **context})


class Part(BaseModel):
    """A mapping of the policy language: only known keys, no conversion of types, never changed after reading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _only_known_keys_and_all_required_ones(cls, data: Any) -> Any:
        fields = {field.alias or name: field for name, field in cls.model_fields.items()}
        if not isinstance(data, dict):
            raise complaint(f"a mapping with the keys {', '.join(fields)}")
        unknown = [key for key in data if key not in fields]
        missing = [key for key, field in fields.items() if field.is_required() and key not in data]
        if unknown or missing:
            raise PydanticCustomError(
                "policy_keys",
                "keys",
                {
                    "unknown": unknown,
                    "missing": [(key, fields[key].description or "") for key in missing],
                    "known": list(fields),
                },
            )
        return data


def number_of(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise complaint("a number" + (" without quotes" if isinstance(value, str) else ""))
    number = Decimal(str(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite() or (number and number.adjusted() >= MAX_WHOLE_DIGITS):
        raise complaint(f"a number with at most {MAX_WHOLE_DIGITS} digits before the point")
    exponent = number.normalize().as_tuple().exponent
    if isinstance(exponent, int) and exponent < -MAX_DECIMALS:
        raise complaint(f"a number with at most {MAX_DECIMALS} decimals")
    return number


def _at_least_zero(value: Any) -> Decimal:
    if (number := number_of(value)) < 0:
        raise complaint("a number not below zero")
    return number


def _share(value: Any) -> Decimal:
    if not 0 <= (number := number_of(value)) <= 1:
        raise complaint("a share from 0 to 1 (0.05 is 5 %)")
    return number


def _positive_share(value: Any) -> Decimal:
    if not 0 < (number := number_of(value)) <= 1:
        raise complaint("a share above 0 and at most 1 (0.05 is 5 %)")
    return number


def _whole(value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise complaint(f"a whole number from {low:,} to {high:,}")
    return int(value)


def _count(value: Any) -> int:
    return _whole(value, 1, 1_000_000)


def _quarters(value: Any) -> int:
    return _whole(value, 1, 40)


def _months(value: Any) -> int:
    return _whole(value, 1, 120)


def _lag(value: Any) -> int:
    return _whole(value, 0, 40)


def _digits(value: Any) -> int:
    return _whole(value, 0, MAX_DECIMALS)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise complaint("text (put quotes around it)" if value is not None else "text")
    if not value.strip():
        raise complaint("text that is not empty")
    return value.strip()


def _yes_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise complaint("true or false (not yes, no, on, off, 0 or 1)")
    return value


NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_]*$"
POLICY_PATTERN = r"^[a-z0-9][a-z0-9_-]*$"
VERSION_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"


def name_of(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(NAME_PATTERN, value):
        raise complaint("a name of letters, digits and _ that begins with a letter")
    return value


def _policy_name(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(POLICY_PATTERN, value):
        raise complaint("a policy name of small letters, digits, - and _, such as acme-partners")
    return value


def _version(value: Any) -> str:
    if not isinstance(value, str):
        raise complaint('text in quotes, such as "2026-01" (without quotes YAML makes a number or a date of it)')
    if not re.fullmatch(VERSION_PATTERN, value):
        raise complaint("a version of letters, digits, points, - and _, in quotes")
    return value


def _date(value: Any) -> datetime.date:
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        try:
            return datetime.date.fromisoformat(value)
        except ValueError:
            pass
    raise complaint("a day as YYYY-MM-DD, such as 2026-01-01")


Number = Annotated[Decimal, BeforeValidator(number_of), WithJsonSchema({"type": "number"})]
AtLeastZero = Annotated[Decimal, BeforeValidator(_at_least_zero), WithJsonSchema({"type": "number", "minimum": 0})]
Share = Annotated[Decimal, BeforeValidator(_share), WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1})]
PositiveShare = Annotated[
    Decimal,
    BeforeValidator(_positive_share),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 1}),
]
Count = Annotated[int, BeforeValidator(_count), WithJsonSchema({"type": "integer", "minimum": 1})]
Quarters = Annotated[int, BeforeValidator(_quarters), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 40})]
Months = Annotated[int, BeforeValidator(_months), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 120})]
Lag = Annotated[int, BeforeValidator(_lag), WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 40})]
Digits = Annotated[
    int, BeforeValidator(_digits), WithJsonSchema({"type": "integer", "minimum": 0, "maximum": MAX_DECIMALS})
]
Text = Annotated[str, BeforeValidator(_text), WithJsonSchema({"type": "string", "minLength": 1})]
YesNo = Annotated[bool, BeforeValidator(_yes_no), WithJsonSchema({"type": "boolean"})]
Name = Annotated[str, BeforeValidator(name_of), WithJsonSchema({"type": "string", "pattern": NAME_PATTERN})]
PolicyName = Annotated[
    str, BeforeValidator(_policy_name), WithJsonSchema({"type": "string", "pattern": POLICY_PATTERN})
]
Version = Annotated[str, BeforeValidator(_version), WithJsonSchema({"type": "string", "pattern": VERSION_PATTERN})]
Day = Annotated[datetime.date, BeforeValidator(_date), WithJsonSchema({"type": "string", "format": "date"})]

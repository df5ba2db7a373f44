"""Dates and numbers as people and their tools write them, put into one spelling: ISO 8601, and digits with a point.

How a column is written is told in the deployment file or proven by the column itself; where neither settles it the run
stops, because a guess would be a wrong number that looks right. A value that is no date or number at all stays as it
is: staging sets it aside with its reason. Which columns hold what is `templates.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, time
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

DateFormat = Literal["iso", "day_first", "month_first"]
DecimalMark = Literal[".", ","]


class Undecided(Exception):
    """A column can be read in two ways, or is written in two: what was found, and the option that settles it."""

    def __init__(self, found: str, option: str) -> None:
        super().__init__(found)
        self.found = found
        self.option = option


@dataclass(frozen=True)
class Example:
    """A value and where it stands, to be shown."""

    value: str
    place: str

    def __str__(self) -> str:
        return f"{self.value} in {self.place}"


def rewrite(column: pa.Array, in_order: str, spell: Callable[[str], str | None]) -> pa.Array:
    """The column with every value that does not match the pattern `in_order` spelled anew; None leaves it as it is.

    A column in which everything is in order, the usual case, costs one look and no copy.
    """
    odd = _odd(column, in_order)
    if not pc.any(odd).as_py():
        return column
    values = column.filter(odd)
    different = pc.unique(values)
    spelled = pa.array([spell(text) or text for text in different.to_pylist()], pa.string())
    return pc.replace_with_mask(column, odd, spelled.take(pc.index_in(values, different)))


def _odd(column: pa.Array, in_order: str) -> pa.Array:
    return pc.fill_null(pc.invert(pc.match_substring_regex(column, in_order)), False)


def odd_values(column: pa.Array, in_order: str) -> list[str]:
    """The different values that do not match the pattern, in the order they come."""
    odd = _odd(column, in_order)
    return pc.unique(column.filter(odd)).to_pylist() if pc.any(odd).as_py() else []


# -- dates -------------------------------------------------------------------------------------------------------------

ISO_DATE = r"^\d{4}-\d{2}-\d{2}([T ].*)?$"
# 2026-25-03: whoever writes that also writes 2026-05-03 and means March.
_DAY_IN_THE_MIDDLE = r"^\d{4}-(1[3-9]|[23]\d)-(0[1-9]|1[0-2])([T ].*)?$"
_CLOCK = (
    r"(?:,?[T ]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<part>\d{1,9}))?)?"
    r"(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?)?(?: ?(?P<zone>[Zz]|UTC|GMT|[+-]\d{2}:?\d{2}))?$"
)
_YEAR_FIRST = re.compile(r"^(?P<y>\d{4})(?P<s>[-/.])(?P<m>\d{1,2})(?P=s)(?P<d>\d{1,2})" + _CLOCK)
_COMPACT = re.compile(r"^(?P<y>(?:19|20)\d{2})(?P<m>\d{2})(?P<d>\d{2})" + _CLOCK)
_YEAR_LAST = re.compile(r"^(?P<a>\d{1,2})(?P<s>[-/.])(?P<b>\d{1,2})(?P=s)(?P<y>\d{4})" + _CLOCK)
_DAY_MONTH_NAME = re.compile(r"^(?P<d>\d{1,2})[ -](?P<n>[A-Za-z]{3,9})\.?[ ,-]+(?P<y>\d{4})" + _CLOCK)
_MONTH_NAME_DAY = re.compile(r"^(?P<n>[A-Za-z]{3,9})\.? (?P<d>\d{1,2}),? (?P<y>\d{4})" + _CLOCK)
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip


@dataclass
class Dates:
    """How the dates of one column are written: looks at all of it, then decides, then spells."""

    told: DateFormat | None = None
    has_clock: bool = True
    """False for columns of days: a time beside the day is dropped."""
    day_first: Example | None = None
    month_first: Example | None = None
    either: Example | None = None
    day_in_the_middle: Example | None = None
    order: DateFormat = "iso"

    def look(self, column: pa.Array, place: Callable[[str], str]) -> None:
        """Take note of what part of a column proves; `place` says where a value stands."""
        if self.told is not None:
            return
        for text in odd_values(column, ISO_DATE):
            if found := _YEAR_LAST.match(text.strip()):
                self._weigh(text, int(found["a"]), int(found["b"]), place)
        if self.day_in_the_middle is None:
            swapped = pc.fill_null(pc.match_substring_regex(column, _DAY_IN_THE_MIDDLE), False)
            if pc.any(swapped).as_py():
                text = column.filter(swapped)[0].as_py()
                self.day_in_the_middle = Example(text, place(text))

    def _weigh(self, text: str, first: int, second: int, place: Callable[[str], str]) -> None:
        if first > 12 >= second:
            self.day_first = self.day_first or Example(text, place(text))
        elif second > 12 >= first:
            self.month_first = self.month_first or Example(text, place(text))
        elif first != second and first <= 12:
            self.either = self.either or Example(text, place(text))

    def decide(self) -> str | None:
        """Settle the order of day and month; return the words that tell what proved it, None where nothing had to be.

        Raises:
            Undecided: nothing proves it, or both are proven.
        """
        if self.told is not None:
            self.order = self.told
            return None
        if self.day_in_the_middle:
            raise Undecided(
                f"year, day, month in {self.day_in_the_middle}: it is not told how the other values are meant",
                "date_format: iso (what is no date is then set aside)",
            )
        if self.day_first and self.month_first:
            raise Undecided(
                f"mixed: the day comes first in {self.day_first}, the month in {self.month_first}",
                "date_format: day_first or month_first (what does not fit is then set aside)",
            )
        if self.day_first or self.month_first:
            self.order = "day_first" if self.day_first else "month_first"
            return f"{self.order.replace('_', ' ')} ({self.day_first or self.month_first})"
        if self.either:
            raise Undecided(f"ambiguous, e.g. {self.either}", "date_format: day_first or month_first")
        return None

    def spell(self, column: pa.Array) -> pa.Array:
        """The column with its dates in ISO 8601."""
        return rewrite(column, ISO_DATE, self._iso)

    def _iso(self, text: str) -> str | None:
        text = text.strip()
        if self.order == "iso" and self.told == "iso":
            return text if re.match(ISO_DATE, text) else None
        for pattern in (_YEAR_FIRST, _COMPACT, _YEAR_LAST, _DAY_MONTH_NAME, _MONTH_NAME_DAY):
            if found := pattern.match(text):
                return self._put(found)
        return text if re.match(ISO_DATE, text) else None

    def _put(self, found: re.Match[str]) -> str | None:
        parts = found.groupdict()
        if "n" in parts:
            names = [number for number, name in enumerate(_MONTHS, 1) if name.startswith(parts["n"].lower())]
            month, day = (names[0] if len(names) == 1 else 0), int(parts["d"])
        elif "a" in parts:
            first, second = int(parts["a"]), int(parts["b"])
            month, day = (first, second) if self.order == "month_first" else (second, first)
        else:
            month, day = int(parts["m"]), int(parts["d"])
        try:
            spelled = date(int(parts["y"]), month, day).isoformat()
            clock = _clock(parts)
        except ValueError:
            return None
        return spelled + clock if self.has_clock else spelled


def _clock(parts: dict[str, str | None]) -> str:
    """The time of day behind a date; raises ValueError for one that no clock shows."""
    if parts["hour"] is None:
        return ""
    hour = int(parts["hour"])
    if parts["half"]:
        if not 1 <= hour <= 12:
            raise ValueError(hour)
        hour = hour % 12 + (12 if parts["half"] in "Pp" else 0)
    spelled = time(hour, int(parts["minute"] or 0), int(parts["second"] or 0)).isoformat()
    if parts["part"]:
        spelled += "." + parts["part"]
    zone = parts["zone"] or ""
    return f"T{spelled}{'Z' if zone.upper() in ('Z', 'UTC', 'GMT') else zone}"


# -- numbers -----------------------------------------------------------------------------------------------------------

PLAIN_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_WHOLE_NUMBER = r"^-?\d+$"
# A point that can only be a decimal mark: not the three digits behind it that a group of thousands has too.
_SURE_POINT = r"^[+-]?(\d*\.(\d{0,2}|\d{4,})|\d{4,}\.\d{3}|0\d*\.\d{3}|\.\d+)$"
# Codes rather than any three letters: "12 MIO" is no amount of twelve.
_CODES = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF "
    "CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG "
    "HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA "
    "MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD "
    "RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX "
    "USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWL"
).replace(" ", "|")
_CURRENCY = rf"[A-Z]{{0,3}}[$€£¥₹₩₺₽₴₪฿₫₦]|{_CODES}|kr\.?|zł|Kč"
_MONEY = re.compile(
    rf"^(?P<open>\()?(?P<sign>[+-])?(?P<before>{_CURRENCY})?(?P<sign2>[+-])?"
    r"(?P<core>[0-9.,' ]*[0-9][.,]?)"
    rf"(?P<after>{_CURRENCY})?(?P<sign3>-)?(?P<close>\))?$"
)
_BLANKS = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2212": "-", "\u2019": "'", "`": "'"})
_BY_BLANKS = re.compile(r"^\d{1,3}(?:[ ']\d{3})+(?=[.,]|$)")
_GROUPS = {  # thousands, and the two-digit groups of India
    ",": re.compile(r"^\d{1,3}(?:,\d{2,3})*,\d{3}$"),
    ".": re.compile(r"^\d{1,3}(?:\.\d{3})+$"),
}
_ONE_GROUP = re.compile(r"^[1-9]\d{0,2}[.,]\d{3}$")


@dataclass
class Numbers:
    """How the numbers of one column are written: looks at all of it, then decides, then spells."""

    told: DecimalMark | None = None
    is_whole: bool = False
    """The column counts something: it has no decimals, so three digits behind a mark are thousands unless all zero."""
    point: Example | None = None
    comma: Example | None = None
    either: Example | None = None
    marked: Example | None = None
    mark: DecimalMark = "."
    currencies: set[str] = field(default_factory=set)

    def look(self, column: pa.Array, place: Callable[[str], str]) -> None:
        """Take note of what part of a column proves; `place` says where a value stands."""
        for text in odd_values(column, PLAIN_NUMBER):
            self._weigh(text, place)
        if self.point is None:
            sure = pc.fill_null(pc.match_substring_regex(column, _SURE_POINT), False)
            if pc.any(sure).as_py():
                text = column.filter(sure)[0].as_py()
                self.point = Example(text, place(text))
        if self.is_whole and self.comma is None:
            self._look_for_thousands(column, place)

    def _look_for_thousands(self, column: pa.Array, place: Callable[[str], str]) -> None:
        grouped = pc.fill_null(pc.match_substring_regex(column, r"^[+-]?[1-9]\d{0,2}\.\d{3}$"), False)
        for text in pc.unique(column.filter(grouped)).to_pylist():
            if not text.endswith("000"):
                self.comma = Example(text, place(text))
                return

    def _weigh(self, text: str, place: Callable[[str], str]) -> None:
        found = _money(text)
        if found is None:
            return
        _, core, currency = found
        if currency:
            self.currencies.add(currency)
        proven = _proven_mark(core, self.is_whole)
        if proven == "." and not re.match(PLAIN_NUMBER, text.strip()):
            self.marked = self.marked or Example(text.strip(), place(text))
        if proven == ".":
            self.point = self.point or Example(text.strip(), place(text))
        elif proven == ",":
            self.comma = self.comma or Example(text.strip(), place(text))
        elif "," in core and _ONE_GROUP.match(core):
            self.either = self.either or Example(text.strip(), place(text))

    def decide(self) -> str | None:
        """Settle the decimal mark; return the words that tell what proved it, None where all numbers are plain.

        Raises:
            Undecided: nothing proves it, or the column contradicts itself or what is told.
        """
        if self.told is not None:
            self.mark = self.told
            if self.mark == "," and self.point:
                raise Undecided(
                    f"a point as decimal mark in {self.point}, and decimal_mark ',' is told", "decimal_mark: '.'"
                )
            return None
        if self.point and self.comma:
            raise Undecided(
                f"mixed: the decimal mark is a point in {self.point}, a comma in {self.comma}",
                "decimal_mark: '.' (what does not fit is then set aside)",
            )
        if self.comma:
            self.mark = ","
            return f"with a decimal comma ({self.comma})"
        if self.either and not self.point:
            raise Undecided(f"ambiguous, e.g. {self.either}: thousands or decimals", "decimal_mark: '.' or ','")
        proof = self.marked or (self.point if self.either else None)
        return f"with a decimal point ({proof})" if proof else None

    def spell(self, column: pa.Array) -> pa.Array:
        """The column with its numbers in digits and a point."""
        return rewrite(column, PLAIN_NUMBER if self.mark == "." else _WHOLE_NUMBER, self._plain)

    def _plain(self, text: str) -> str | None:
        found = _money(text)
        if found is None:
            return text.strip() if re.match(PLAIN_NUMBER, text.strip()) else None
        sign, core, _ = found
        digits = _digits(core, self.mark)
        return sign + digits if digits is not None else None


def _money(text: str) -> tuple[str, str, str] | None:
    """Sign, digits with their marks, and currency of an amount; None where it is none."""
    found = _MONEY.match(re.sub(r"(?<=\D) | (?=[^\d'])", "", text.translate(_BLANKS).strip()))
    if found is None or bool(found["open"]) != bool(found["close"]):
        return None
    signs = [sign for sign in (found["sign"], found["sign2"], found["sign3"]) if sign]
    if len(signs) + bool(found["open"]) > 1:
        return None
    core = found["core"]
    if grouped := _BY_BLANKS.match(core):
        core = re.sub("[ ']", "", grouped.group()) + core[grouped.end() :]
    if " " in core or "'" in core:
        return None
    return ("-" if found["open"] or "-" in signs else ""), core, found["before"] or found["after"] or ""


def _proven_mark(core: str, is_whole: bool) -> DecimalMark | None:
    """Which decimal mark a number proves by itself; None where it has none or either could be meant."""
    points, commas = core.count("."), core.count(",")
    if points and commas:
        mark: DecimalMark = "." if core.rindex(".") > core.rindex(",") else ","
        return mark if _digits(core, mark) is not None else None
    if not points and not commas:
        return None
    here: DecimalMark = "." if points else ","
    other: DecimalMark = "," if points else "."
    if points + commas > 1:
        return other if _GROUPS[here].match(core) else None
    if not _ONE_GROUP.match(core):
        return here
    return other if is_whole and not core.endswith("000") else None


def _digits(core: str, mark: DecimalMark) -> str | None:
    """The number with a point, read with this decimal mark; None where it does not fit."""
    group = "," if mark == "." else "."
    whole, found, part = core.partition(mark)
    if mark in part or group in part or (not whole and not part):
        return None
    if group in whole:
        if not _GROUPS[group].match(whole):
            return None
        whole = whole.replace(group, "")
    return (whole or "0") + ("." + part if found and part else "")

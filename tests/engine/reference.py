"""The policy engine a second time, in plain Python: a policy as its YAML data and dated facts in, levels held out.

It shares nothing with dbt_project and takes no row that pipelines makes of a policy, so that a mistake would have to be
made twice to go unseen. Numbers are exact fractions, rounded only where the rules say so. Ranks count from 1, the top.
What is not computed here is what the engine is given: the values of catalogue metrics over each window.
"""

from __future__ import annotations

import math
import operator
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any

Data = dict[str, Any]
Value = Fraction | None

VALUE_DIGITS = 6
# Quotients are carried with this many digits before they become values.
CARRIED_DIGITS = 10
FULL_POINTS = Fraction(100)


def rounded(number: Fraction, digits: int, mode: str = "half_up") -> Fraction:
    """A number with at most `digits` decimals: the nearest (halves away from zero), or the next toward (`down`) or away
    from (`up`) zero."""
    scaled = abs(number) * 10**digits
    whole, rest = divmod(scaled.numerator, scaled.denominator)
    is_more = {"half_up": 2 * rest >= scaled.denominator, "up": rest > 0, "down": False}[mode]
    made = Fraction(whole + is_more, 10**digits)
    return made if number >= 0 else -made


def as_value(number: Fraction, digits: int = VALUE_DIGITS) -> Fraction:
    """A computed number as the value of a metric."""
    return rounded(rounded(number, CARRIED_DIGITS), digits)


COMPARISONS: dict[str, Callable[[Fraction, Fraction], bool]] = {
    "at_least": operator.ge,
    "above": operator.gt,
    "at_most": operator.le,
    "below": operator.lt,
    "equals": operator.eq,
}


# --- what the engine is given -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Partner:
    """A partner that is judged; an attribute that is not there is unknown."""

    id: str
    number: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Quarter:
    """One fiscal quarter: its label, such as 2026Q4, and its last day."""

    label: str
    end: date

    @property
    def is_year_end(self) -> bool:
        return self.label.endswith("Q4")


@dataclass(frozen=True)
class Fact:
    """One dated fact of a programme's own."""

    id: str
    partner: str
    metric: str
    day: date
    value: Fraction
    subject: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Company:
    """Everything that is known, by quarter number. `standing`: the first quarter in which a partner is judged."""

    quarters: dict[int, Quarter]
    partners: list[Partner]
    start: int
    standing: dict[str, int] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    catalogue: dict[tuple[str, str, str, int], Value] = field(default_factory=dict)
    """Value by window id, metric, partner and quarter; what is not there is unknown."""
    laid: set[tuple[str, str]] = field(default_factory=set)
    """The window ids and metrics that have values."""
    lower_is_better: frozenset[str] = frozenset()
    stale: frozenset[tuple[str, int]] = frozenset()
    """Metrics (of the catalogue, or names of facts) whose source is stale in a quarter."""
    aside: frozenset[tuple[str, str, int]] = frozenset()
    """Partners, metrics and the quarter from which on a record of the partner is missing that was set aside."""

    @cached_property
    def facts_of(self) -> dict[tuple[str, str], list[Fact]]:
        """Facts by metric and partner, the oldest first."""
        made: dict[tuple[str, str], list[Fact]] = defaultdict(list)
        for fact in sorted(self.facts, key=lambda fact: (fact.day, fact.id)):
            made[fact.metric, fact.partner].append(fact)
        return made

    def roster(self, quarter: int) -> list[Partner]:
        """Who is judged in a quarter, by partner number."""
        standing = (partner for partner in self.partners if self.standing.get(partner.id, self.start) <= quarter)
        return sorted(standing, key=lambda partner: partner.number)


def months_before(day: date, months: int) -> date:
    """The first day of a month that many months before another first day of a month."""
    count = day.year * 12 + day.month - 1 - months
    return date(count // 12, count % 12 + 1, 1)


# --- metrics ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Window:
    """How far back a metric looks: months (None: for ever), and quarters to step back before looking."""

    months: int | None
    complete: bool = False
    lag: int = 0

    def changed(self, given: Any, lag: int | None = None) -> Window:
        """The window that a policy writes, what it leaves out being as in this one."""
        made = self if lag is None else replace(self, lag=lag)
        if given is None:
            return made
        if given == "ever":
            return replace(made, months=None)
        if not isinstance(given, dict):
            return replace(made, months=3 * int(given))
        months = 3 * given["quarters"] if "quarters" in given else given.get("months", made.months)
        return Window(months, given.get("complete", made.complete), given.get("lag", made.lag))

    def id(self, attribution: str) -> str:
        """The name under which values of catalogue metrics are given."""
        assert self.months is not None and self.months % 3 == 0
        return f"{attribution}/{self.months // 3}/{self.lag}" + ("/complete" if self.complete else "")


class Metrics:
    """The values of a policy's metrics: of the catalogue, declared and derived."""

    def __init__(self, policy: Data, company: Company) -> None:
        self.policy, self.company = policy, company
        self.declares: Data = policy.get("declares", {})
        self.derived: Data = policy.get("derived", {})
        self.attribution = str(policy.get("attribution", "primary"))
        self._known: dict[tuple[str, str, int], Value] = {}

    def value(self, metric: str, partner: str, quarter: int) -> Value:
        """A metric of a partner in a quarter as the policy looks at it; None is unknown."""
        key = (metric, partner, quarter)
        if key not in self._known:
            formula = self.derived.get(metric)
            if formula is None or "metric" in formula:
                source = metric if formula is None else formula["metric"]
                self._known[key] = self._observed(source, self.window(metric), partner, quarter)
            else:
                self._known[key] = self._computed(formula, partner, quarter)
        return self._known[key]

    def window(self, metric: str) -> Window:
        """The window of a metric that is no formula."""
        if metric in self.derived:
            again: Data = self.derived[metric]
            return self.window(again["metric"]).changed(again.get("window"), again.get("lag"))
        own = Window(None).changed(self.policy["window"]).changed(self.policy.get("windows", {}).get(metric))
        declared = self.declares.get(metric, {})
        return own.changed(declared.get("window"), declared.get("lag"))

    def origins(self, metric: str) -> set[str]:
        """The metrics of the catalogue, or names of facts, that a metric is made of."""
        formula = self.derived.get(metric)
        if formula is None:
            return {self.declares.get(metric, {}).get("facts", metric)}
        operands = [name for name in _operands(formula) if isinstance(name, str)]
        return {origin for name in operands for origin in self.origins(name)}

    def is_stale(self, metric: str, quarter: int) -> bool:
        """Whether a metric rests on a source that is stale."""
        return any((origin, quarter) in self.company.stale for origin in self.origins(metric))

    def is_aside(self, metric: str, partner: str, quarter: int) -> bool:
        """Whether a metric rests on a record of the partner that was set aside."""
        return any(
            (partner, origin, since) in self.company.aside
            for origin in self.origins(metric)
            for since in range(1, quarter + 1)
        )

    def is_lower_better(self, metric: str) -> bool:
        """Whether less of a metric is better."""
        own: Data = self.derived.get(metric) or self.declares.get(metric) or {}
        if "direction" in own:
            return bool(own["direction"] == "lower")
        return self.is_lower_better(own["metric"]) if "metric" in own else metric in self.company.lower_is_better

    def _observed(self, metric: str, window: Window, partner: str, quarter: int) -> Value:
        if metric in self.declares:
            return self._aggregated(metric, self.declares[metric], window, partner, quarter)
        return self.company.catalogue.get((window.id(self.attribution), metric, partner, quarter))

    def _aggregated(self, metric: str, declared: Data, window: Window, partner: str, quarter: int) -> Value:
        company = self.company
        until = months_before(company.quarters[quarter].end + timedelta(days=1), 3 * window.lag)
        since = None if window.months is None else months_before(until, window.months)
        if window.complete and since is not None:
            first_day = months_before(company.quarters[company.start].end + timedelta(days=1), 3)
            if since < first_day:
                return None
        found = [fact for fact in company.facts_of[declared.get("facts", metric), partner] if fact.day < until]
        if not found:
            return Fraction(0) if declared.get("absent") == "zero" else None
        counted = [
            fact
            for fact in found
            if (since is None or since <= fact.day)
            and all(_matches(fact, key, asked) for key, asked in declared.get("where", {}).items())
        ]
        aggregate = declared["aggregate"]
        of = declared.get("of", "subject" if aggregate == "count_distinct" else "value")
        things = [thing for fact in counted if (thing := _property(fact, of)) is not None]
        if aggregate == "count":
            return Fraction(len(things))
        if aggregate == "count_distinct":
            return Fraction(len(set(things)))
        numbers = [fact.value for fact in counted]
        if aggregate == "sum":
            return as_value(sum(numbers, Fraction(0)))
        if not numbers:
            return None
        if aggregate == "last":
            return numbers[-1]
        if aggregate == "median":
            numbers.sort()
            return as_value((numbers[(len(numbers) - 1) // 2] + numbers[len(numbers) // 2]) / 2)
        return {"min": min, "max": max}[aggregate](numbers)

    def _computed(self, formula: Data, partner: str, quarter: int) -> Value:
        (operation,) = formula.keys() & OPERATIONS.keys()
        operands = [
            self.value(operand, partner, quarter) if isinstance(operand, str) else Fraction(operand)
            for operand in _operands(formula)
        ]
        known = [number for number in operands if number is not None]
        if not known or (len(known) < len(operands) and not formula.get("skip_unknown")):
            return None
        if operation == "difference":
            known = [number if place == 0 else -number for place, number in enumerate(operands) if number is not None]
        made = OPERATIONS[operation](known)
        return None if made is None else as_value(made, formula.get("round", VALUE_DIGITS))


def _sum(numbers: Sequence[Fraction]) -> Fraction:
    return sum(numbers, Fraction(0))


def _product(numbers: Sequence[Fraction]) -> Fraction:
    made = Fraction(1)
    for number in numbers:
        made *= number
    return made


OPERATIONS: dict[str, Callable[[Sequence[Fraction]], Value]] = {
    "sum": _sum,
    "difference": _sum,  # of the first and what the others take away
    "product": _product,
    "ratio": lambda both: both[0] / both[1] if both[1] else None,
    "min": min,
    "max": max,
    "floor": lambda one: Fraction(math.floor(one[0])),
}


def _operands(formula: Data) -> list[Any]:
    (operation,) = formula.keys() & {*OPERATIONS, "metric"}
    written = formula[operation]
    return written if isinstance(written, list) else [written]


def _property(fact: Fact, name: str) -> Any:
    """What a fact says under a name of its own; texts, but for the value."""
    if name == "value":
        return fact.value
    if name == "subject":
        return fact.subject
    found = fact.attributes.get(name)
    return None if found is None else str(found)


def _matches(fact: Fact, key: str, asked: Any) -> bool:
    found = _property(fact, key)
    if isinstance(asked, dict):
        ((comparison, bar),) = asked.items()
        return COMPARISONS[comparison](found, Fraction(bar))
    listed = asked if isinstance(asked, list) else [asked]
    if key == "value":
        return any(found == Fraction(one) for one in listed)
    return found is not None and found in [str(one) for one in listed]


# --- points -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Band:
    """A stretch of numbers; an end that is None is open-ended, an open end is no part of it."""

    low: Fraction | None
    high: Fraction | None
    is_low_open: bool
    is_high_open: bool
    gives: Fraction

    def __contains__(self, number: Fraction) -> bool:
        if self.low is not None and (number < self.low or (self.is_low_open and number == self.low)):
            return False
        return self.high is None or number < self.high or (not self.is_high_open and number == self.high)


def bands(written: Sequence[Data], gives: str) -> list[Band]:
    """Bands with the edges that follow from their neighbours, read as rising or, where that makes no sense, falling."""
    for ordered in (list(written), list(reversed(written))):
        edges = [
            (
                _edge(band, "at_least", "above") or _edge(before, "below", "at_most") or (None, False),
                _edge(band, "at_most", "below") or _edge(after, "above", "at_least") or (None, False),
            )
            for before, band, after in zip([{}, *ordered], ordered, [*ordered[1:], {}], strict=False)
        ]
        if all(low is None or high is None or low <= high for (low, _), (high, _) in edges):
            return [
                Band(low, high, is_low_open, is_high_open, Fraction(band[gives]))
                for band, ((low, is_low_open), (high, is_high_open)) in zip(ordered, edges, strict=True)
            ]
    raise AssertionError(f"no reading of {written}")


def _edge(band: Data, closed: str, opened: str) -> tuple[Fraction, bool] | None:
    """An edge and whether the number on it is left out. For an edge taken from a neighbour, `closed` is the word under
    which the neighbour leaves that number to this band."""
    if closed in band:
        return Fraction(band[closed]), False
    return (Fraction(band[opened]), True) if opened in band else None


def place_among(value: Fraction, known: Sequence[Fraction]) -> Fraction:
    """The share of the others that are below, `known` being sorted; the middle when there are no others."""
    return Fraction(bisect_left(known, value), len(known) - 1) if len(known) > 1 else Fraction(1, 2)


@dataclass
class Scored:
    """A partner's score in a track and a quarter; a dimension, points or a total of None is unknown."""

    track: str | None
    values: dict[str, Value] = field(default_factory=dict)
    points: dict[str, Value] = field(default_factory=dict)
    contributions: dict[str, Value] = field(default_factory=dict)
    dimensions: dict[str, Value] = field(default_factory=dict)
    total: Value = None
    evidence: Fraction = Fraction(0)


@dataclass(frozen=True)
class Ranks:
    """What a partner brings to a review: the levels reached as written, with bars raised and with bars lowered by the
    buffer, and the best one that unknown values leave open; `earned` is the one reached, or worse where places are few.
    """

    reached: int
    raised: int
    lowered: int
    possible: int
    earned: int = 0

    @property
    def is_full(self) -> bool:
        return self.earned > self.reached

    def settled(self, earned: int) -> Ranks:
        """After places are given: no bar helps past a full level."""
        if earned == self.reached:
            return replace(self, raised=max(self.raised, earned), earned=earned)
        return Ranks(self.reached, max(self.raised, earned), earned, earned, earned)


@dataclass
class Judged:
    """One partner in one quarter: its track (None: none), its score, and its ranks by ladder."""

    partner: Partner
    has_track: bool
    scored: Scored | None
    ranks: dict[str, Ranks]


class Programme:
    """One version of a policy over a company."""

    def __init__(self, policy: Data, company: Company, until: date | None = None) -> None:
        self.policy, self.company, self.until = policy, company, until
        self.metrics = Metrics(policy, company)
        self.score: Data | None = policy.get("score")
        rounding = policy.get("rounding", {})
        self.digits: int = rounding.get("digits", 2)
        self.mode: str = rounding.get("mode", "half_up")
        self.is_rounded_once = rounding.get("per", "criterion") == "total"
        self._peers: dict[tuple[str, int], dict[Any, list[Fraction]]] = {}
        self._bands: dict[int, list[Band]] = {}
        self._winners: dict[tuple[int, int], tuple[set[str], set[str]]] = {}
        self._judged: dict[int, dict[str, Judged]] = {}

    @property
    def key(self) -> tuple[str, str]:
        return self.policy["policy"], self.policy["version"]

    @property
    def quarters(self) -> list[int]:
        """The quarters whose last day this version decides."""
        return [
            number
            for number, quarter in sorted(self.company.quarters.items())
            if number >= self.company.start
            and self.policy["effective_from"] <= quarter.end
            and (self.until is None or quarter.end < self.until)
        ]

    @property
    def tracks(self) -> dict[str | None, Data]:
        """Tracks by name in their order; a score without any has one, which takes everybody."""
        return (self.score or {}).get("tracks") or {None: {}}

    def criteria(self, track: str | None) -> list[Data]:
        """The criteria of a track."""
        assert self.score is not None
        made = []
        for criterion in self.score["criteria"]:
            within = criterion.get("track")
            if within is None or track in (within if isinstance(within, list) else [within]):
                made.append(criterion)
        return made

    # --- points and totals --------------------------------------------------------------------------------------

    def scored(self, track: str | None, partner: Partner, quarter: int) -> Scored:
        """A partner's score by the criteria of a track."""
        made = Scored(track)
        criteria = self.criteria(track)
        for criterion in criteria:
            name = criterion["id"]
            made.values[name] = self.metrics.value(criterion["metric"], partner.id, quarter)
            made.points[name] = self._points(criterion, partner, quarter)
        self._add_up(
            criteria, made, {criterion["id"]: self._is_known(criterion, partner, quarter) for criterion in criteria}
        )
        return made

    def _is_known(self, criterion: Data, partner: Partner, quarter: int) -> bool:
        asked = [criterion["metric"]] + ([criterion["multiplier"]["metric"]] if "multiplier" in criterion else [])
        return all(self.metrics.value(metric, partner.id, quarter) is not None for metric in asked)

    def missing(self, criterion: Data) -> str:
        """What an unknown value does to a criterion: its own rule, its metric's, or the default."""
        assert self.score is not None
        rules: Data = self.score.get("missing", {})
        fallback = "renormalise" if self.score["combine"] == "weighted" else "zero"
        return str(rules.get(criterion["id"], rules.get(criterion["metric"], rules.get("default", fallback))))

    def limits(self, criterion: Data) -> tuple[Value, Value]:
        """The fewest and the most points; only some kinds of points of a plain sum have none."""
        assert self.score is not None
        is_free = self.score["combine"] == "points" and not criterion["points"].keys() & {"range", "percentile"}
        low, high = criterion.get("min", None if is_free else 0), criterion.get("max", None if is_free else 100)
        return None if low is None else Fraction(low), None if high is None else Fraction(high)

    def _points(self, criterion: Data, partner: Partner, quarter: int) -> Value:
        if not self._is_known(criterion, partner, quarter):
            return Fraction(0) if self.missing(criterion) == "zero" else None
        if not all(self.holds(asked, partner, quarter, None) for asked in criterion.get("requires", [])):
            return Fraction(0)
        low, high = self.limits(criterion)
        points = self._raw_points(criterion, partner, quarter, high) * self._factor(criterion, partner, quarter)
        if low is not None:
            points = max(points, low)
        if high is not None:
            points = min(points, high)
        own = criterion.get("round", {})
        digits = own.get("digits", VALUE_DIGITS if self.is_rounded_once else self.digits)
        return rounded(points, digits, own.get("mode", self.mode))

    def _raw_points(self, criterion: Data, partner: Partner, quarter: int, most: Value) -> Fraction:
        ((kind, form),) = criterion["points"].items()
        value = self.metrics.value(criterion["metric"], partner.id, quarter)
        assert value is not None
        if kind == "per_unit":
            return (Fraction(math.floor(value)) if form.get("whole_units") else value) * Fraction(form["each"])
        if kind == "flag":
            return Fraction(form["points"] if isinstance(form, dict) else form) if value > 0 else Fraction(0)
        if kind == "bands":
            return self._in_band(form, "points", value, Fraction(0))
        assert most is not None
        if kind == "range":
            low, high = Fraction(form["low"]), Fraction(form["high"])
            return min(max((value - low) / (high - low), Fraction(0)), Fraction(1)) * most
        return self._percentile(criterion, value, partner, quarter) * most

    def _factor(self, criterion: Data, partner: Partner, quarter: int) -> Fraction:
        if "multiplier" not in criterion:
            return Fraction(1)
        form = criterion["multiplier"]
        value = self.metrics.value(form["metric"], partner.id, quarter)
        assert value is not None
        return self._in_band(form["bands"], "factor", value, Fraction(1)) if "bands" in form else value

    def _in_band(self, written: Sequence[Data], gives: str, value: Fraction, otherwise: Fraction) -> Fraction:
        if id(written) not in self._bands:
            self._bands[id(written)] = bands(written, gives)
        found = [band.gives for band in self._bands[id(written)] if value in band]
        assert len(found) < 2, f"{value} lies in {len(found)} bands"
        return found[0] if found else otherwise

    def _percentile(self, criterion: Data, value: Fraction, partner: Partner, quarter: int) -> Fraction:
        metric = criterion["metric"]
        form = criterion["points"]["percentile"]
        within = form.get("within", [])
        sign = -1 if self.metrics.is_lower_better(metric) else 1

        def group(one: Partner) -> tuple[str | None, ...]:
            return tuple(one.attributes.get(attribute) for attribute in within)

        peers = self._peers.get((criterion["id"], quarter))
        if peers is None:
            peers = defaultdict(list)
            for other in self.company.roster(quarter):
                found = self.metrics.value(metric, other.id, quarter)
                if found is not None:
                    peers[None].append(sign * found)
                    peers[group(other)].append(sign * found)
            for known in peers.values():
                known.sort()
            self._peers[criterion["id"], quarter] = peers
        own, everybody = peers[group(partner)], peers[None]
        trust = Fraction(len(own)) / (len(own) + Fraction(form.get("shrink", 0)))
        return trust * place_among(sign * value, own) + (1 - trust) * place_among(sign * value, everybody)

    def _add_up(self, criteria: list[Data], scored: Scored, known: dict[str, bool]) -> None:
        assert self.score is not None
        is_weighted = self.score["combine"] == "weighted"
        outer: dict[str, Fraction] = {name: Fraction(w) for name, w in (self.score.get("dimensions") or {}).items()}
        one = Fraction(1)

        def weight(criterion: Data) -> Fraction:
            return Fraction(criterion["weight"]) if is_weighted else one

        def share(criterion: Data) -> Fraction:
            return weight(criterion) * outer[criterion["dimension"]] if is_weighted else one

        counted = [criterion for criterion in criteria if scored.points[criterion["id"]] is not None]
        is_blocked = any(c not in counted and self.missing(c) == "block" for c in criteria)
        scored.evidence = sum((share(c) for c in criteria if known[c["id"]]), Fraction(0)) / sum(
            (share(c) for c in criteria), Fraction(0)
        )
        inner: dict[str | None, Fraction] = defaultdict(Fraction)
        sums: dict[str | None, Fraction] = defaultdict(Fraction)
        for criterion in counted:
            dimension: str | None = criterion.get("dimension")
            inner[dimension] += weight(criterion)
            sums[dimension] += weight(criterion) * (scored.points[criterion["id"]] or 0)
        for name in {**outer, **{c["dimension"]: one for c in criteria if c.get("dimension")}}:
            scored.dimensions[name] = None
            if name in inner and not is_blocked:
                exact = sums[name] / (inner[name] if is_weighted else 1)
                scored.dimensions[name] = rounded(exact, self.digits, self.mode)
        shared = sum((outer[name] for name in outer if name in inner), Fraction(0))
        running = Fraction(0)
        for criterion in criteria:
            name = criterion["id"]
            scored.contributions[name] = None
            if criterion in counted and not is_blocked:
                before = rounded(running, self.digits, self.mode)
                part = share(criterion) / inner[criterion["dimension"]] / shared if is_weighted else one
                running += part * (scored.points[name] or 0)
                scored.contributions[name] = rounded(running, self.digits, self.mode) - before
        scored.total = rounded(running, self.digits, self.mode) if counted and not is_blocked else None

    # --- conditions ---------------------------------------------------------------------------------------------

    def holds(
        self,
        condition: Data,
        partner: Partner,
        quarter: int,
        scored: Scored | None,
        step: Fraction = Fraction(0),
        is_lenient: bool = False,
    ) -> bool:
        """Whether a partner meets a condition. `step` raises the bars on scores; `is_lenient` lets pass what is unknown
        or rests on a stale source or on records that were set aside."""

        def inside(conditions: Iterable[Data]) -> int:
            return sum(self.holds(one, partner, quarter, scored, step, is_lenient) for one in conditions)

        if "all" in condition:
            return inside(condition["all"]) == len(condition["all"])
        if "any" in condition:
            return inside(condition["any"]) > 0
        if isinstance(condition.get("at_least"), dict):
            return inside(condition["at_least"]["of"]) >= int(condition["at_least"]["n"])
        if "attribute" in condition:
            text = partner.attributes.get(condition["attribute"])
            if text is None:
                return is_lenient
            return bool(text in (condition["in"] if "in" in condition else [condition["equals"]]))
        if is_lenient and self._sources_of_doubt(condition, partner, quarter, scored):
            return True
        if "top_share" in condition:
            winners, unknown = self._top(condition["top_share"], quarter)
            return partner.id in winners or (is_lenient and partner.id in unknown)
        value = self._subject(condition, partner, quarter, scored)
        if value is None:
            return is_lenient
        (comparison,) = condition.keys() & COMPARISONS.keys()
        bar = Fraction(condition[comparison])
        if "metric" not in condition:
            bar += {"at_least": step, "above": step, "at_most": -step, "below": -step, "equals": Fraction(0)}[
                comparison
            ]
        return COMPARISONS[comparison](value, bar)

    def _subject(self, condition: Data, partner: Partner, quarter: int, scored: Scored | None) -> Value:
        if "metric" in condition:
            return self.metrics.value(condition["metric"], partner.id, quarter)
        if scored is None:
            return None
        if "score" in condition:
            return scored.total
        if "dimension" in condition:
            return scored.dimensions.get(condition["dimension"])
        return scored.points.get(condition["points"])

    def _sources_of_doubt(self, condition: Data, partner: Partner, quarter: int, scored: Scored | None) -> set[str]:
        """What may be wrong with what a condition looks at: its sources, or records of the partner."""
        asked = self._asked(condition, scored)
        stale = any(self.metrics.is_stale(metric, quarter) for metric in asked)
        aside = any(self.metrics.is_aside(metric, partner.id, quarter) for metric in asked)
        return ({"stale_source"} if stale else set()) | ({"records_set_aside"} if aside else set())

    def _asked(self, condition: Data, scored: Scored | None) -> list[str]:
        """The metrics that a condition looks at, of a score all that make it."""
        if "metric" in condition:
            return [condition["metric"]]
        if "top_share" in condition:
            top = condition["top_share"]
            return [top["by"]] + ([top["of"]["metric"]] if "of" in top else [])
        if scored is None:
            return []
        return [
            metric
            for criterion in self.criteria(scored.track)
            if "score" in condition
            or criterion.get("dimension") == condition.get("dimension", "")
            or criterion["id"] == condition.get("points", "")
            for metric in _metrics_of(criterion)
        ]

    def _doubts(
        self, condition: Data, partner: Partner, quarter: int, scored: Scored | None, step: Fraction
    ) -> set[str]:
        """Why a condition that does not hold may hold; nothing where it cannot, and nothing where it does."""
        if not self.holds(condition, partner, quarter, scored, step, is_lenient=True):
            return set()
        counted = condition.get("at_least")
        inside = condition.get("all") or condition.get("any") or (counted["of"] if isinstance(counted, dict) else [])
        if inside:
            return {code for one in inside for code in self._doubts(one, partner, quarter, scored, step)}
        if self.holds(condition, partner, quarter, scored, step):
            return set()
        if "attribute" in condition:
            return {"unknown_value"}
        if "top_share" in condition:
            is_unknown = partner.id in self._top(condition["top_share"], quarter)[1]
        else:
            is_unknown = self._subject(condition, partner, quarter, scored) is None
        return ({"unknown_value"} if is_unknown else set()) | self._sources_of_doubt(
            condition, partner, quarter, scored
        )

    def doubts(self, name: str, judged: Judged, quarter: int, held: int) -> set[str]:
        """What keeps a partner that would fall at the level it holds: what is in doubt of the nearest level that may
        hold, from the one held upwards."""
        ladder: Data = self.policy["ladders"][name]
        movement = ladder.get("movement", "none")
        step = Fraction(0) if movement == "none" else -Fraction(movement.get("buffer", 0))
        for level in reversed(ladder["levels"][:held]):
            both = [condition for condition in (ladder.get("gate"), level.get("enter")) if condition]
            asked: Data = {"all": both}
            if both and self.holds(asked, judged.partner, quarter, judged.scored, step, is_lenient=True):
                return self._doubts(asked, judged.partner, quarter, judged.scored, step)
        return set()

    def _top(self, top: Data, quarter: int) -> tuple[set[str], set[str]]:
        """Who is in the first part of an order, and of whom nobody knows."""
        key = (id(top), quarter)
        if key in self._winners:
            return self._winners[key]
        groups: dict[tuple[str | None, ...], list[tuple[Fraction, str, str]]] = defaultdict(list)
        unknown: set[str] = set()
        for partner in self.company.roster(quarter):
            value = self.metrics.value(top["by"], partner.id, quarter)
            of = top.get("of")
            if value is None or (of and self.metrics.value(of["metric"], partner.id, quarter) is None):
                unknown.add(partner.id)
            elif of is None or self.holds(of, partner, quarter, None):
                group = tuple(partner.attributes.get(attribute) for attribute in top.get("within", []))
                tie = partner.id if top.get("ties") == "partner_id" else partner.number
                groups[group].append((-rounded(value, top.get("round", VALUE_DIGITS)), tie, partner.id))
        winners: set[str] = set()
        for members in groups.values():
            places = math.ceil(Fraction(top["share"]) * len(members))
            winners |= {partner for _, _, partner in sorted(members)[:places]}
        self._winners[key] = winners, unknown
        return winners, unknown

    # --- levels -------------------------------------------------------------------------------------------------

    def _level(
        self, ladder: Data, partner: Partner, quarter: int, scored: Scored | None, step: Fraction, is_lenient: bool
    ) -> int:
        """The best rank whose conditions hold; the last one is for everybody else."""
        for rank, level in enumerate(ladder["levels"], start=1):
            asked = [condition for condition in (ladder.get("gate"), level.get("enter")) if condition]
            if not level.get("outside") and all(
                self.holds(condition, partner, quarter, scored, step, is_lenient) for condition in asked
            ):
                return rank
        return len(ladder["levels"])

    def _ranks(self, ladder: Data, partner: Partner, quarter: int, scored: Scored | None) -> Ranks:
        movement = ladder.get("movement", "none")
        buffer = Fraction(0) if movement == "none" else Fraction(movement.get("buffer", 0))

        def level(step: Fraction, is_lenient: bool = False) -> int:
            return self._level(ladder, partner, quarter, scored, step, is_lenient)

        return Ranks(level(Fraction(0)), level(buffer), level(-buffer), level(-buffer, is_lenient=True))

    def candidates(self, partner: Partner, quarter: int) -> list[str | None]:
        """The tracks a partner may be scored in."""
        found = [
            name
            for name, track in self.tracks.items()
            if not (track or {}).get("when") or self.holds(track["when"], partner, quarter, None)
        ]
        return found if (self.score or {}).get("choose") == "best" else found[:1]

    def judged(self, quarter: int) -> dict[str, Judged]:
        """Everybody's track, score and ranks in a quarter, by partner id."""
        if quarter in self._judged:
            return self._judged[quarter]
        ladders: dict[str, Data] = self.policy["ladders"]
        made: dict[str, Judged] = {}
        for partner in self.company.roster(quarter):
            found: list[Judged] = []
            for track in self.candidates(partner, quarter):
                scored = self.scored(track, partner, quarter) if self.score else None
                ranks = {name: self._ranks(ladder, partner, quarter, scored) for name, ladder in ladders.items()}
                found.append(Judged(partner, True, scored, ranks))
            if not found:
                ranks = {name: self._ranks(ladder, partner, quarter, None) for name, ladder in ladders.items()}
                found.append(Judged(partner, False, None, ranks))
            # The first of the best: min keeps the order of the tracks.
            made[partner.id] = min(
                found, key=lambda one: ([ranks.reached for ranks in one.ranks.values()], _total_order(one))
            )
        for name, ladder in ladders.items():
            self._give_places(name, ladder, made)
        self._judged[quarter] = made
        return made

    def _give_places(self, name: str, ladder: Data, everybody: dict[str, Judged]) -> None:
        """Who does not fit into a level falls to the next one, whose own places are given after."""
        earned = {partner: judged.ranks[name].reached for partner, judged in everybody.items()}
        for rank, level in enumerate(ladder["levels"], start=1):
            here = [partner for partner, own in earned.items() if own == rank]
            here.sort(key=lambda partner: (_total_order(everybody[partner]), everybody[partner].partner.number))
            for partner in here[level["capacity"] :] if "capacity" in level else []:
                earned[partner] = rank + 1
        for partner, judged in everybody.items():
            judged.ranks[name] = judged.ranks[name].settled(earned[partner])


def _total_order(judged: Judged) -> tuple[bool, Fraction]:
    """The highest total first, an unknown one last."""
    total = judged.scored.total if judged.scored else None
    return total is None, -(total or Fraction(0))


def _metrics_of(criterion: Data) -> list[str]:
    """The metrics whose values make the points of a criterion: its own, its multiplier's, those it requires."""

    def inside(condition: Data) -> list[str]:
        if isinstance(condition.get("at_least"), dict):
            return [name for one in condition["at_least"]["of"] for name in inside(one)]
        nested = [*condition.get("all", []), *condition.get("any", [])]
        return [condition["metric"]] if "metric" in condition else [name for one in nested for name in inside(one)]

    multiplier = [criterion["multiplier"]["metric"]] if "multiplier" in criterion else []
    required = [name for one in criterion.get("requires", []) for name in inside(one)]
    return [criterion["metric"], *multiplier, *required]


# --- movement ---------------------------------------------------------------------------------------------------

LONGEST = 98
ACTIONS = {
    "O": "outside",
    "E": "entered",
    "K": "kept",
    "G": "kept",
    "P": "promoted",
    "W": "on_watch",
    "H": "on_watch",
    "F": "frozen",
    "X": "exited",
    "D": "demoted",
}


@dataclass(frozen=True)
class Rules:
    """How a ladder moves; None is no limit, or no level that stands for being outside."""

    promote_after: int = 1
    demote_after: int = 1
    max_up: int | None = None
    max_down: int | None = None
    grace: int = 0
    hold_until: str = "none"
    freeze: bool = False
    outside: int | None = None

    @classmethod
    def of(cls, ladder: Data) -> Rules:
        outside = len(ladder["levels"]) if ladder["levels"][-1].get("outside") else None
        movement = ladder.get("movement", "none")
        if movement == "none":
            return cls(outside=outside)
        steps = movement.get("max_steps", {})
        return cls(
            promote_after=movement.get("promote_after", 1),
            demote_after=movement.get("demote_after", 1),
            max_up=steps.get("up"),
            max_down=steps.get("down"),
            grace=movement.get("new_partner_grace", 0),
            hold_until=movement.get("hold_until", "none"),
            freeze=movement.get("freeze", True),
            outside=outside,
        )


@dataclass(frozen=True)
class Standing:
    """What a review leaves behind: the level held, reviews above and below it in a row, what was decided, and how many
    reviews ago the level (`age`) and the membership (`tenure`) began."""

    held: int
    above: int
    below: int
    letter: str
    age: int
    tenure: int

    @property
    def text(self) -> str:
        return f"{self.held:02}{self.above:02}{self.below:02}{self.letter}{self.age:02}{self.tenure:02}"

    @classmethod
    def read(cls, text: str) -> Standing:
        """A state as it is written; one of an older release ends before the ages."""
        full = text.ljust(11, "0")
        return cls(int(full[:2]), int(full[2:4]), int(full[4:6]), full[6], int(full[7:9]), int(full[9:]))

    @property
    def action(self) -> str:
        return ACTIONS[self.letter]


def review(before: Standing | None, ranks: Ranks, rules: Rules, is_year_end: bool = False) -> Standing:
    """One review of one partner on one ladder."""
    if before is None or before.held == rules.outside:
        if ranks.earned != rules.outside:
            return Standing(ranks.earned, 0, 0, "E", 0, 0)
        return Standing(ranks.earned, 0, 0, "O", _older(before.age) if before else 0, 0)

    held = before.held
    age = _older(before.age)
    tenure = min(before.tenure + 1, LONGEST)

    def stays(letter: str, above: int = 0, below: int = 0) -> Standing:
        return Standing(held, min(above, LONGEST), min(below, LONGEST), letter, age, tenure)

    if ranks.raised < held:
        above = before.above + 1
        if above < rules.promote_after:
            return stays("K", above=above)
        best = ranks.raised if rules.max_up is None else max(ranks.raised, held - rules.max_up)
        return Standing(best, 0, 0, "P", 0, tenure)
    if ranks.lowered > held:
        if rules.freeze and ranks.possible <= held:
            return stays("F", below=before.below)
        if tenure <= rules.grace:
            return stays("G")
        below = before.below + 1
        if below < rules.demote_after:
            return stays("W", below=below)
        if rules.hold_until == "anniversary" and age % 4:
            return stays("H", below=below)
        if rules.hold_until == "policy_year" and not is_year_end:
            return stays("H", below=below)
        if ranks.lowered == rules.outside:
            return Standing(ranks.lowered, 0, 0, "X", 0, 0)
        worst = ranks.lowered if rules.max_down is None else min(ranks.lowered, held + rules.max_down)
        return Standing(worst, 0, 0, "D", 0, tenure)
    return stays("K")


def _older(age: int) -> int:
    """One review more; the count goes in circles, whole years at a time, when it is about to have three digits."""
    age += 1
    return age if age <= 95 else 92 + age % 4


def reasons(before: Standing | None, after: Standing, ranks: Ranks, rules: Rules) -> set[str]:
    """Why a review decided as it did, beside what it decided; what freezes it is told by `Programme.doubts`."""
    found = {
        "G": {"new_partner_grace"},
        "H": {"hold_until"},
    }.get(after.letter, set())
    found = {after.action} | found | ({"level_full"} if ranks.is_full else set())
    if before is None or after.letter in "OE":
        return found
    if after.letter == "K" and ranks.raised < before.held:
        found.add("awaiting_promotion")
    elif after.letter == "K" and ranks.earned != before.held:
        found.add("within_buffer")
    wanted = {"P": ranks.raised, "D": ranks.lowered}.get(after.letter, after.held)
    if after.held != wanted:
        found.add("step_limit")
    return found


@dataclass(frozen=True)
class Decision:
    """One row of a partner's history on a ladder."""

    quarter: int
    ranks: Ranks
    before: Standing | None
    after: Standing
    reasons: frozenset[str]


Records = Mapping[tuple[str, str, int], str]
"""States on record, by ladder, partner and quarter."""


def history(programmes: Iterable[Programme], records: Records | None = None) -> dict[tuple[str, str], list[Decision]]:
    """Every review by ladder and partner: versions of one policy in their order, each going on where the one before it
    left a partner. What is on record is taken over as it is."""
    made: dict[tuple[str, str], list[Decision]] = defaultdict(list)
    for programme in programmes:
        for quarter in programme.quarters:
            is_year_end = programme.company.quarters[quarter].is_year_end
            for partner, judged in programme.judged(quarter).items():
                for ladder, ranks in judged.ranks.items():
                    rules = Rules.of(programme.policy["ladders"][ladder])
                    past = made[ladder, partner]
                    before = past[-1].after if past else None
                    record = (records or {}).get((ladder, partner, quarter))
                    after = Standing.read(record) if record else review(before, ranks, rules, is_year_end)
                    found = reasons(before, after, ranks, rules)
                    if after.letter == "F":
                        found |= programme.doubts(ladder, judged, quarter, after.held)
                    if not judged.has_track:
                        found.add("no_track")
                    elif programme.score and (judged.scored is None or judged.scored.total is None):
                        found.add("score_unknown")
                    past.append(Decision(quarter, ranks, before, after, frozenset(found)))
    return made


# --- exceptions -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Exempt:
    """A signed deviation: a rank for the quarters that end within its days, both included."""

    rank: int
    since: date
    until: date


@dataclass(frozen=True)
class Shown:
    """What is told of a review: the level decided and the action."""

    rank: int
    action: str
    is_after_exception: bool = False


def shown(
    replayed: Sequence[tuple[int, Standing]],
    ends: Mapping[int, date],
    exempt: Sequence[Exempt],
    outside: int | None,
) -> list[Shown]:
    """What is decided when exceptions overlay a replay, review by review; the replay itself goes on as it is."""
    made: list[Shown] = []
    for quarter, state in replayed:
        in_force = [one for one in exempt if one.since <= ends[quarter] <= one.until]
        last = made[-1] if made else None
        if in_force:
            made.append(Shown(in_force[0].rank, "overridden"))
        elif last and last.action == "overridden" and last.rank != state.held:
            if outside in (last.rank, state.held):
                action = "exited" if state.held == outside else "entered"
            else:
                action = "promoted" if state.held < last.rank else "demoted"
            made.append(Shown(state.held, action, is_after_exception=True))
        else:
            made.append(Shown(state.held, state.action))
    return made


def decimal(number: Value) -> Decimal | None:
    """A value or a score as the decimal that a table holds."""
    if number is None:
        return None
    made = Decimal(number.numerator) / Decimal(number.denominator)
    assert Fraction(made) == number, f"{number} is no decimal that a table could hold"
    return made

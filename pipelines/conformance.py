"""Holds programmes against worked cases: every policy of a folder, every line of its CSVs, one pass of the engine.

A case says what is known of a partner at a review and what should come of it. The engine that decides a deployment's
levels decides here too; what differs from the expectation is told in words. `cases.py` reads the lines.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import duckdb

from pipelines.cases import TOTAL, Case, CaseError, DatedFact, Failed, read_cases
from pipelines.errors import GateRefused, PolicyError, SegmentsError
from pipelines.evaluation import Reviewed, catalogue_metrics, evaluate, inputs_by_name, months_before
from pipelines.policy import ATTRIBUTES, Policy, in_force, read_policies
from pipelines.policy.conditions import Interval, plain
from pipelines.policy.parts import nearest

Row = dict[str, Any]

# Reviews are quarterly; a longer way between two of them means that one is left out.
LONGEST_STEP = timedelta(days=100)
# The engine's replay keeps indexes of quarters in three digits. The first one leaves room for every complete window.
FIRST_INDEX, LAST_INDEX = 100, 999


class Differs(SegmentsError):
    """A programme does not give what a case expects; nothing else is wrong."""

    exit_code = GateRefused.exit_code
    title = "differs"


# --- what comes out ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Condition:
    """One condition of a level, as it was judged."""

    alternative: int
    subject: str
    needed: str
    found: str
    has_passed: bool

    def __str__(self) -> str:
        return f"{self.needed} ({self.found})"


@dataclass(frozen=True)
class Level:
    """Where a partner stands on one ladder after one review; ranks from 1, the best."""

    ladder: str
    names: tuple[str, ...]
    reached: int
    earned: int
    held: int
    action: str
    reasons: str

    def name(self, rank: int) -> str:
        return self.names[rank - 1]

    def __str__(self) -> str:
        """The action, with the reasons that say more than it."""
        codes = [code.strip() for code in self.reasons.split(",")]
        further = [code for code in codes if code and code != self.action]
        return f"{self.action} ({', '.join(further)})" if further else self.action


@dataclass(frozen=True)
class Points:
    """What one criterion gave."""

    criterion: str
    metric: str
    dimension: str | None
    value: Decimal | None
    points: Decimal | None
    reason: str | None

    def __str__(self) -> str:
        told = f"{self.criterion} {_number(self.points)} ({self.metric} {_number(self.value)})"
        return f"{told}: {self.reason}" if self.reason else told


@dataclass(frozen=True)
class Outcome:
    """What the engine made of one partner at one review."""

    version: str
    day: date
    total: Decimal | None = None
    track: str | None = None
    points: Mapping[str, Points] = field(default_factory=dict)
    dimensions: Mapping[str, Decimal | None] = field(default_factory=dict)
    values: Mapping[str, Decimal | None] = field(default_factory=dict)
    levels: Mapping[str, Level] = field(default_factory=dict)
    conditions: Mapping[tuple[str, int], tuple[Condition, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Judged:
    """One case, what came of it, and each difference in words."""

    case: Case
    outcome: Outcome
    differences: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """`passed`, `disputed` (a difference that the case itself calls disputed) or `failed`."""
        return "passed" if not self.differences else "disputed" if self.case.disputed else "failed"


@dataclass(frozen=True)
class Counted:
    """The cases of one programme version."""

    policy: str
    version: str
    vectors: int
    passed: int
    disputed: int
    failed: int


@dataclass(frozen=True)
class Report:
    """Every case of a folder."""

    policies: tuple[Policy, ...]
    judged: tuple[Judged, ...]

    @property
    def failed(self) -> int:
        return sum(one.verdict == "failed" for one in self.judged)

    def counted(self) -> list[Counted]:
        """One row per programme version, those without a case too."""
        found: dict[tuple[str, str], list[str]] = {(x.name, x.version): [] for x in self.policies}
        for one in self.judged:
            found[one.case.policy, one.outcome.version].append(one.verdict)
        return [
            Counted(name, version, len(x), x.count("passed"), x.count("disputed"), x.count("failed"))
            for (name, version), x in found.items()
        ]

    def as_json(self) -> dict[str, Any]:
        """The report as plain values; numbers are texts, so that none is rounded on the way."""
        return {
            "conforms": not self.failed,
            "programmes": [vars(row) for row in self.counted()],
            "cases": [
                {
                    "id": one.case.id,
                    "policy": one.case.policy,
                    "version": one.outcome.version,
                    "file": one.case.file,
                    "line": one.case.line,
                    "on": one.outcome.day.isoformat(),
                    "verdict": one.verdict,
                    "disputed": one.case.disputed or None,
                    "provenance": one.case.provenance or None,
                    "differences": list(one.differences),
                    "total": _json_number(one.outcome.total),
                    "track": one.outcome.track,
                    "points": {name: _json_number(x.points) for name, x in one.outcome.points.items()},
                    "levels": {
                        name: {"held": x.name(x.held), "earned": x.name(x.earned), "action": x.action}
                        for name, x in one.outcome.levels.items()
                    },
                }
                for one in self.judged
            ],
        }


def _json_number(value: Decimal | None) -> str | None:
    return None if value is None else plain(value).replace(",", "")


def _number(value: Decimal | None) -> str:
    return "unknown" if value is None else plain(value)


def conform(folder: Path) -> Report:
    """Judge every case of a folder by the programmes in it.

    Raises:
        PolicyError: a programme cannot be read.
        CaseError: a CSV cannot be read, or names what its programme does not have.
        BuildError: dbt could not compile the engine.
    """
    if not folder.is_dir():
        raise CaseError(f"{folder}: is no folder, expected one with programmes (*.yml) and cases (*.csv)")
    policies = read_policies(folder, catalogue_metrics())
    cases = read_cases(folder, (policy.name for policy in policies))
    if not cases:
        raise CaseError(f"{folder}: holds no cases, expected at least one *.csv beside the programmes")
    programmes = {name: _Programme(name, policies) for name in dict.fromkeys(policy.name for policy in policies)}
    vectors = _vectors(cases, programmes)
    judged: list[Judged] = []
    for some in _passes(vectors):
        outcomes = _evaluated(some, programmes)
        for vector in some:
            for case in vector.cases:
                outcome = outcomes[vector.partner_id, vector.day_of[case]]
                judged.append(Judged(case, outcome, tuple(_differences(case, outcome, programmes[case.policy]))))
    order = {id(case): place for place, case in enumerate(cases)}
    judged.sort(key=lambda one: order[id(one.case)])
    return Report(tuple(policies), tuple(judged))


# --- programmes and the names in them ---------------------------------------------------------------------------


class _Programme:
    """The versions of one policy name, and what a case may name in them."""

    def __init__(self, name: str, policies: Sequence[Policy]) -> None:
        self.name = name
        self.versions = [policy for policy in policies if policy.name == name]
        self.rows = {policy.version: policy.rows() for policy in self.versions}
        self.catalogue = self._metrics("metric_uses")
        self.declared = self._metrics("declared_metrics")
        self.derived = self._metrics("derived_metrics")
        self.metrics = self.catalogue | self.declared | self.derived
        self.streams = {row["facts"] for rows in self.rows.values() for row in rows["declared_metrics"]}
        self.levels = {
            ladder: tuple(level.level for level in found.levels)
            for ladder, found in self.versions[-1].document.ladders.items()
        }
        self.places = {row["criterion"]: row["position"] for rows in self.rows.values() for row in rows["criteria"]}
        self.compares = any(_compares_partners(rows) for rows in self.rows.values())

    def _metrics(self, table: str) -> set[str]:
        return {row["metric"] for rows in self.rows.values() for row in rows[table]}

    def version_on(self, day: date, case: Case) -> Policy:
        try:
            policy = in_force(self.versions, self.name, day)
        except PolicyError as problem:
            raise CaseError(f"{case.place}: {problem.message}") from None
        if case.version and policy.version != case.version:
            raise CaseError(
                f"{case.place}: on {day} version {policy.version} is in force, the case says version {case.version}"
            )
        return policy

    def version_named(self, case: Case) -> Policy:
        """The version a case is judged by whose day is not stated: the one it names, else the newest."""
        if not case.version:
            return self.versions[-1]
        named = next((policy for policy in self.versions if policy.version == case.version), None)
        if named is None:
            _unknown(case, "version", case.version, [policy.version for policy in self.versions])
        return named


def _compares_partners(rows: Mapping[str, list[Row]]) -> bool:
    return (
        any(row["kind"] == "percentile" for row in rows["criteria"])
        or any(row["kind"] == "top_share" for row in rows["level_conditions"])
        or any(row["capacity"] is not None for row in rows["levels"])
    )


def _unknown(case: Case, what: str, name: str, known: Iterable[str]) -> NoReturn:
    listed = list(known)
    hint = nearest(name, listed)
    guess = f"; did you mean `{hint}`?" if hint else ""
    raise CaseError(f"{case.place}: unknown {what} `{name}`, there are {', '.join(listed) or 'none'}{guess}")


# --- from lines to partners and reviews -------------------------------------------------------------------------


@dataclass
class _Vector:
    """One partner: its lines, the days it is reviewed on, and what is known of it."""

    programme: _Programme
    cases: list[Case]
    partner_id: str
    days: list[date] = field(default_factory=list)
    day_of: dict[Case, date] = field(default_factory=dict)
    numbers: dict[tuple[str, date], Decimal | None] = field(default_factory=dict)
    stated: set[str] = field(default_factory=set)
    attributes: dict[str, str] = field(default_factory=dict)
    facts: list[tuple[str, DatedFact, date]] = field(default_factory=list)
    index: dict[date, int] = field(default_factory=dict)

    @property
    def group(self) -> tuple[str, str] | None:
        name = self.cases[0].group
        return (self.programme.name, name) if name else None


def _vectors(cases: Sequence[Case], programmes: Mapping[str, _Programme]) -> list[_Vector]:
    found: dict[tuple[str, str, str], list[Case]] = defaultdict(list)
    for case in cases:
        # Lines that state a day are reviews of one partner; without one, the same id may stand once per version.
        found[case.policy, case.id, "" if case.day else case.version or "newest"].append(case)
    dated = {(policy, name) for policy, name, version in found if not version}
    vectors: list[_Vector] = []
    for number, ((policy, name, version), lines) in enumerate(found.items(), start=1):
        if version and (len(lines) > 1 or (policy, name) in dated):
            first = lines[1] if len(lines) > 1 else lines[0]
            raise CaseError(
                f"{first.place}: the id stands twice for {policy}; the reviews of one partner state a day (`on`) or a "
                "`quarter` in every line"
            )
        for earlier, later in itertools.pairwise(lines):
            assert earlier.day is not None
            assert later.day is not None
            if later.day <= earlier.day:
                raise CaseError(
                    f"{later.place}: the review of {later.day} stands after that of {earlier.day}; the lines of one id "
                    "are in the order of their days, each day once"
                )
            if (earlier.group, earlier.partner) != (later.group, later.partner):
                raise CaseError(f"{later.place}: `group` and `partner` are the same in every line of one id")
        vectors.append(_Vector(programmes[policy], lines, f"case-{number:05d}"))
    groups: dict[tuple[str, str], date] = {}
    first_of: dict[tuple[str, str], Case] = {}
    for vector in vectors:
        _check_names(vector)
        case = vector.cases[0]
        if vector.group and (first_of.setdefault(vector.group, case).day is None) != (case.day is None):
            raise CaseError(
                f"{case.place}: in the group {case.group} some cases state a day and others none; a group is one "
                "review, so state it everywhere or nowhere"
            )
        if vector.group and not vector.cases[0].day:
            day = _unstated_day(vector)
            groups[vector.group] = max(day, groups.get(vector.group, day))
    for vector in vectors:
        _read_facts(vector, groups.get(vector.group) if vector.group else None)
    return vectors


def _check_names(vector: _Vector) -> None:
    programme = vector.programme
    for case in vector.cases:
        for name, fact in case.facts.items():
            if name in ATTRIBUTES:
                if fact is not None and not isinstance(fact, str):
                    raise CaseError(f"{case.place}: the attribute `{name}` is no text; put quotes around it in JSON")
            elif name in programme.metrics:
                if isinstance(fact, str):
                    raise CaseError(f"{case.place}: `{name}` is a metric and {fact!r} is no number")
                if isinstance(fact, tuple) and name not in programme.declared | programme.streams:
                    raise CaseError(
                        f"{case.place}: `{name}` is given as a list of facts, but it is not declared by "
                        f"{programme.name}; say what it is as a number"
                    )
            elif name in programme.streams:
                if not isinstance(fact, tuple):
                    raise CaseError(
                        f"{case.place}: `{name}` is the name of facts, not of a metric; give a list of facts, or a "
                        "number for a metric"
                    )
            else:
                _unknown(case, "fact", name, sorted(programme.metrics | programme.streams | set(ATTRIBUTES)))


def _unstated_day(vector: _Vector) -> date:
    """The last day with a value, else one on which the version meant is in force and no dated fact lies after."""
    case, programme = vector.cases[0], vector.programme
    stated = [day for facts in case.facts.values() if isinstance(facts, dict) for day in facts]
    if stated:
        return max(stated)
    policy = programme.version_named(case)
    dated = [
        fact.day
        for facts in case.facts.values()
        if isinstance(facts, tuple)
        for fact in facts
        if fact.day is not None and fact.day < date.max
    ]
    day = max([policy.effective_from, *dated])
    return min(day, policy.effective_to - timedelta(days=1)) if policy.effective_to else day


def _read_facts(vector: _Vector, shared_day: date | None) -> None:
    """Settle the days of review and what is known on each."""
    constants: list[tuple[str, Decimal | None, date, date | None]] = []
    before: date | None = None
    for case in vector.cases:
        histories = {name: fact for name, fact in case.facts.items() if isinstance(fact, dict)}
        if histories and len(vector.cases) > 1:
            raise CaseError(
                f"{case.place}: values by quarter in one of several lines; a history is either one line with values "
                "by quarter or one line per review"
            )
        day = case.day or shared_day or _unstated_day(vector)
        vector.day_of[case] = day
        days = sorted({day, *(known for values in histories.values() for known in values if known <= day)})
        vector.days += days
        for name, fact in case.facts.items():
            if name in ATTRIBUTES:
                if isinstance(fact, str) and vector.attributes.setdefault(name, fact) != fact:
                    raise CaseError(
                        f"{case.place}: {name} is {fact} here and {vector.attributes[name]} before; attributes of "
                        "a partner do not change between reviews"
                    )
            elif isinstance(fact, tuple):
                vector.facts += [(name, one, day) for one in fact]
            elif isinstance(fact, dict):
                vector.stated.add(name)
                vector.numbers.update(((name, known), value) for known, value in fact.items())
            elif fact is None or isinstance(fact, Decimal):
                if fact is not None:
                    vector.stated.add(name)
                constants.append((name, fact, days[0], before))
                vector.numbers.update(((name, known), fact) for known in days)
        before = day
    vector.programme.version_on(vector.days[-1], vector.cases[-1])
    for case in vector.cases:
        vector.programme.version_on(vector.day_of[case], case)
    for earlier, later in itertools.pairwise(vector.days):
        if later - earlier > LONGEST_STEP:
            raise CaseError(
                f"{vector.cases[-1].place}: no review between {earlier} and {later}; reviews are quarterly, so a "
                "history states every quarter"
            )
    _fill_lagged(vector)


def _fill_lagged(vector: _Vector) -> None:
    """In a history, a metric that another name reads some reviews later is known from its own earlier values."""
    for policy in vector.programme.versions:
        for name, made in policy.document.derived.items():
            base = made.metric
            if base is None or not made.lag or made.window is not None or name in vector.stated:
                continue
            lag = made.lag - policy.document.span_of(base).lag
            if lag < 1:
                continue
            for place, day in enumerate(vector.days):
                # Values may be known of quarters before the first review.
                then = vector.days[place - lag] if place >= lag else _quarters_before(day, lag)
                if (value := vector.numbers.get((base, then))) is not None:
                    vector.numbers[name, day] = value
            if any((name, day) in vector.numbers for day in vector.days):
                vector.stated.add(name)


def _quarters_before(day: date, quarters: int) -> date:
    return months_before(day, 3 * quarters) - timedelta(days=1)


# --- one pass of the engine -------------------------------------------------------------------------------------


def _passes(vectors: Sequence[_Vector]) -> Iterator[list[_Vector]]:
    """Vectors that fit into one calendar, each with the indexes of its reviews.

    A block of indexes is a run of reviews. Vectors of a group share one and are compared with each other. Where a
    programme compares partners, every other vector has a block of its own, so that it meets nobody; where it does not,
    vectors with the same days share one.
    """
    blocks: dict[tuple[Any, ...], list[_Vector]] = defaultdict(list)
    for vector in vectors:
        if vector.group:
            key: tuple[Any, ...] = ("group", *vector.group)
        elif vector.programme.compares:
            key = ("alone", vector.partner_id)
        else:
            key = ("days", *vector.days)
        blocks[key].append(vector)
    some: list[_Vector] = []
    following = FIRST_INDEX
    for members in blocks.values():
        days = sorted({day for member in members for day in member.days})
        if following + len(days) > LAST_INDEX and some:
            yield some
            some, following = [], FIRST_INDEX
        index = {day: following + place for place, day in enumerate(days)}
        following += len(days)
        for member in members:
            own = [index[day] for day in member.days]
            if own != list(range(own[0], own[0] + len(own))):
                missing = next(day for day in days if index[day] > own[0] and day not in member.days)
                raise CaseError(
                    f"{member.cases[-1].place}: its group is reviewed on {missing}, between two of its own reviews; "
                    "write that review, too"
                )
            member.index = {day: index[day] for day in member.days}
            some.append(member)
    if some:
        yield some


def _evaluated(vectors: Sequence[_Vector], programmes: Mapping[str, _Programme]) -> dict[tuple[str, date], Outcome]:
    """What the engine makes of every vector at every review of it."""
    # Metrics that a vector states are not counted from facts or computed: one variant of the programme for each choice.
    variants: dict[tuple[str, frozenset[str]], str] = {}
    variant_of: dict[str, str] = {}
    for vector in vectors:
        programme = vector.programme
        chosen = frozenset(vector.stated & (programme.declared | programme.derived))
        key = (programme.name, chosen)
        if key not in variants:
            same = sum(name == programme.name for name, _ in variants)
            variants[key] = f"{programme.name}~{same + 1}" if same else programme.name
        variant_of[vector.partner_id] = variants[key]
    tables: dict[str, list[Row]] = defaultdict(list)
    names: dict[str, frozenset[str]] = {}
    for (name, chosen), variant in variants.items():
        for version, rows in programmes[name].rows.items():
            names[f"{variant}@{version}"] = chosen
            for table, found in rows.items():
                tables[table] += [{**row, "policy": variant} for row in found]
    days = {index: day for vector in vectors for day, index in vector.index.items()}
    inputs = inputs_by_name(
        tables,
        [
            Reviewed(
                vector.partner_id,
                vector.index[day],
                {name: value for (name, known), value in vector.numbers.items() if known == day},
            )
            for vector in vectors
            for day in vector.days
        ],
        [(index, day.isoformat(), months_before(day, 3), day, day.month > 9) for index, day in sorted(days.items())],
        names=names,
    )
    inputs = replace(
        inputs,
        partners=[(x.partner_id, x.cases[0].partner or x.cases[0].id, x.cases[0].id) for x in vectors],
        attributes=[(x.partner_id, name, value) for x in vectors for name, value in x.attributes.items()],
        facts=[row for vector in vectors for row in _fact_rows(vector)],
    )
    with evaluate(tables, inputs) as con:
        return _outcomes(con, vectors, variant_of)


def _fact_rows(vector: _Vector) -> Iterator[tuple[Any, ...]]:
    """The listed facts as rows of partner_facts, once each.

    A fact under a metric's name has what the metric asks for, unless it says otherwise; one under the name of the facts
    is as it is.
    """
    for number, (name, fact, day) in enumerate(vector.facts, start=1):
        rows = vector.programme.rows[vector.programme.version_on(day, vector.cases[-1]).version]
        stream, attributes = name, dict(fact.attributes)
        value, subject = fact.value, fact.subject
        declared = next((row for row in rows["declared_metrics"] if row["metric"] == name), None)
        if declared:
            stream = declared["facts"]
            interval = Interval()
            for row in rows["declared_filters"]:
                if row["metric"] != name:
                    continue
                if row["attribute"] == "value":
                    interval &= Interval.of(row["operator"], row["value"])
                elif row["attribute"] == "subject":
                    subject = subject or json.loads(row["text_values"])[0]
                else:
                    attributes.setdefault(row["attribute"], json.loads(row["text_values"])[0])
            value = _inside(interval) if value is None else value
        yield (
            vector.partner_id,
            stream,
            fact.day or day,
            Decimal(1) if value is None else value,
            subject,
            json.dumps(attributes, ensure_ascii=False, sort_keys=True),
            f"{vector.partner_id}-{number:06d}",
        )


def _inside(interval: Interval) -> Decimal:
    """A number that passes: 1 where it does, else one at or beside an edge."""
    one = Decimal(1)
    edges = [edge for edge in (interval.low, interval.high) if edge is not None]
    middle = [sum(edges, Decimal(0)) / 2] if len(edges) == 2 else []
    candidates = [one, *edges, *(edge + step for edge in edges for step in (one, -one)), *middle]
    return next((number for number in candidates if number in interval), one)


def _outcomes(
    con: duckdb.DuckDBPyConnection, vectors: Sequence[_Vector], variant_of: Mapping[str, str]
) -> dict[tuple[str, date], Outcome]:
    con.execute("create temp table asked (partner_id varchar, policy varchar)")
    con.executemany("insert into asked values (?, ?)", [[x.partner_id, variant_of[x.partner_id]] for x in vectors])

    def rows(columns: str, table: str, order: str = "") -> dict[tuple[str, int], list[Row]]:
        """Rows of each asked partner and quarter, by its own programme."""
        found: dict[tuple[str, int], list[Row]] = defaultdict(list)
        cursor = con.execute(
            f"select t.partner_id, t.quarter_index, {columns} from {table} as t "
            f"inner join temp.main.asked as a on t.partner_id = a.partner_id and t.policy = a.policy {order}"
        )
        names = [column[0] for column in cursor.description or []]
        for row in cursor.fetchall():
            found[row[0], row[1]].append(dict(zip(names, row, strict=True)))
        return found

    scores = rows("t.track, t.total_score", "scoring.partner_scores")
    points = rows(
        "t.track, t.criterion, t.metric, t.dimension, t.value, t.points, t.reason",
        "scoring.criterion_points",
    )
    dimensions = rows("t.dimension, t.score", "scoring.dimension_scores", "order by t.dimension")
    values = rows("t.metric, t.value", "metrics.policy_values", "order by t.metric")
    held = rows("t.version, t.ladder, t.reached_rank, t.earned_rank, t.held_rank, t.action, t.reason_codes",
                "ladders.levels_held")  # fmt: skip
    conditions = rows(
        "t.ladder, t.rank, t.alternative, t.condition, t.subject, t.needed, t.kind, t.has_passed, t.actual_value, "
        "t.actual_text, t.population, t.track",
        "(select c.*, r.partner_id, r.quarter_index, r.track, r.has_passed, r.actual_value, r.actual_text, "
        "r.population from ladders.condition_results as r "
        "inner join ladders.conditions as c on r.condition_id = c.condition_id)",
        "order by t.ladder, t.rank, t.alternative, t.condition",
    )
    tracks = rows("t.track", "ladders.partner_tracks")
    made: dict[tuple[str, date], Outcome] = {}
    for vector in vectors:
        for day, index in vector.index.items():
            key = (vector.partner_id, index)
            score = scores[key][0] if scores[key] else {}
            track = (tracks[key][0]["track"] if tracks[key] else score.get("track")) or ""
            found: dict[tuple[str, int], list[Condition]] = defaultdict(list)
            for row in conditions[key]:
                if (row["track"] or "") == track:
                    found[row["ladder"], row["rank"]].append(_condition(row))
            made[vector.partner_id, day] = Outcome(
                version=held[key][0]["version"] if held[key] else "",
                day=day,
                total=score.get("total_score"),
                track=track or None,
                points={
                    row["criterion"]: Points(
                        row["criterion"], row["metric"], row["dimension"], row["value"], row["points"], row["reason"]
                    )
                    for row in sorted(points[key], key=lambda row: vector.programme.places[row["criterion"]])
                    if (row["track"] or "") == track
                },
                dimensions={row["dimension"]: row["score"] for row in dimensions[key]},
                values={row["metric"]: row["value"] for row in values[key]},
                levels={
                    row["ladder"]: Level(
                        row["ladder"],
                        vector.programme.levels[row["ladder"]],
                        row["reached_rank"],
                        row["earned_rank"],
                        row["held_rank"],
                        row["action"],
                        row["reason_codes"] or "",
                    )
                    for row in held[key]
                },
                conditions={place: tuple(listed) for place, listed in found.items()},
            )
    return made


def _condition(row: Row) -> Condition:
    if row["kind"] == "top_share":
        place = row["actual_value"]
        found = "not among those compared" if place is None else f"place {plain(place)} of {row['population']}"
    elif row["kind"] == "attribute":
        found = row["actual_text"] or "unknown"
    else:
        found = _number(row["actual_value"])
    return Condition(row["alternative"], row["subject"], row["needed"], found, row["has_passed"])


# --- expectation against outcome --------------------------------------------------------------------------------


def _differences(case: Case, outcome: Outcome, programme: _Programme) -> Iterator[str]:
    for name, expected in case.values.items():
        if name not in outcome.values:
            _unknown(case, "metric", name, outcome.values)
        if outcome.values[name] != expected:
            yield f"{name}: expected {_number(expected)}, came {_number(outcome.values[name])}"
    yield from _points_differences(case, outcome)
    if case.track is not None:
        found = outcome.track or "none"
        if _folded(case.track) != _folded(found):
            yield f"track: expected {case.track}, came {found}"
    yield from _level_differences(case, outcome, programme, case.level, "level", lambda level: level.held)
    yield from _level_differences(case, outcome, programme, case.earned, "earned level", lambda level: level.earned)
    for ladder, action in case.action.items():
        level = _ladder(case, outcome, programme, ladder, None)
        if _folded(action) != _folded(level.action):
            yield f"action on {level.ladder}: expected {action}, came {level}"
    for failed in case.failed:
        yield from _failed_differences(case, outcome, programme, failed)


def _points_differences(case: Case, outcome: Outcome) -> Iterator[str]:
    for name, expected in case.points.items():
        plain_name = name.removeprefix("dimension.")
        if name == TOTAL:
            if outcome.total != expected:
                parts = "; ".join(str(one) for one in outcome.points.values())
                yield f"total: expected {_number(expected)}, came {_number(outcome.total)}: {parts}"
        elif name in outcome.points:
            one = outcome.points[name]
            if one.points != expected:
                why = f": {one.reason}" if one.reason else ""
                yield (
                    f"points of {name}: expected {_number(expected)}, came {_number(one.points)} for {one.metric} "
                    f"{_number(one.value)}{why}"
                )
        elif plain_name in outcome.dimensions:
            came = outcome.dimensions[plain_name]
            if came != expected:
                parts = "; ".join(str(one) for one in outcome.points.values() if one.dimension == plain_name)
                yield f"dimension {plain_name}: expected {_number(expected)}, came {_number(came)}: {parts}"
        else:
            _unknown(case, "criterion or dimension", name, [TOTAL, *outcome.points, *outcome.dimensions])


def _ladder(case: Case, outcome: Outcome, programme: _Programme, name: str | None, level: str | None) -> Level:
    """The ladder that a case means: the one it names, the only one, or the only one that has such a level."""
    if name is not None:
        found = [ladder for ladder in outcome.levels if _folded(ladder) == _folded(name)]
        if not found:
            _unknown(case, "ladder", name, outcome.levels)
        return outcome.levels[found[0]]
    if len(outcome.levels) == 1:
        return next(iter(outcome.levels.values()))
    having = [
        ladder for ladder in outcome.levels.values() if level is not None and _rank(ladder.names, level) is not None
    ]
    if len(having) == 1:
        return having[0]
    raise CaseError(f"{case.place}: {programme.name} has the ladders {', '.join(outcome.levels)}; write `ladder=level`")


def _rank(names: Sequence[str], level: str) -> int | None:
    return next((rank for rank, name in enumerate(names, start=1) if _folded(name) == _folded(level)), None)


def _level_differences(
    case: Case,
    outcome: Outcome,
    programme: _Programme,
    expectations: Mapping[str | None, str],
    what: str,
    rank_of: Callable[[Level], int],
) -> Iterator[str]:
    for name, expected in expectations.items():
        level = _ladder(case, outcome, programme, name, expected)
        rank = _rank(level.names, expected)
        if rank is None:
            _unknown(case, f"level of {level.ladder}", expected, level.names)
        came = rank_of(level)
        if came == rank:
            continue
        told = f"{what} of {level.ladder}: expected {level.name(rank)}, came {level.name(came)}"
        if level.held != level.earned and what == "level":
            told += f"; earned {level.name(level.earned)}, {level}"
        if rank < level.reached:
            told += f"; for {level.name(rank)} missing: {_listed(_closest(outcome, level.ladder, rank))}"
        elif rank > level.reached:
            held = _passed(outcome, level.ladder, level.reached)
            told += f"; {level.name(level.reached)} holds by {_listed(held) if held else 'having no conditions'}"
        if level.earned > level.reached:
            told += f"; {level.name(level.reached)} is full"
        yield told


def _listed(conditions: Iterable[Condition]) -> str:
    return ", ".join(str(condition) for condition in conditions) or "nothing"


def _alternatives(outcome: Outcome, ladder: str, rank: int) -> list[list[Condition]]:
    found: dict[int, list[Condition]] = defaultdict(list)
    for condition in outcome.conditions.get((ladder, rank), ()):
        found[condition.alternative].append(condition)
    return list(found.values())


def _closest(outcome: Outcome, ladder: str, rank: int) -> list[Condition]:
    """What fails of the alternative that lacks least."""
    lacking = [[x for x in listed if not x.has_passed] for listed in _alternatives(outcome, ladder, rank)]
    return min(lacking, key=len, default=[])


def _passed(outcome: Outcome, ladder: str, rank: int) -> list[Condition]:
    alternatives = _alternatives(outcome, ladder, rank)
    return next((listed for listed in alternatives if all(x.has_passed for x in listed)), [])


def _failed_differences(case: Case, outcome: Outcome, programme: _Programme, failed: Failed) -> Iterator[str]:
    level = _ladder(case, outcome, programme, failed.ladder, failed.level)
    if failed.level is None:
        rank = level.reached - 1
        if rank < 1:
            if failed.names:
                listed = ", ".join(failed.names)
                yield f"failed: expected {listed}, but nothing stands above {level.name(level.reached)}"
            return
    else:
        named = _rank(level.names, failed.level)
        if named is None:
            _unknown(case, f"level of {level.ladder}", failed.level, level.names)
        rank = named
    alternatives = _alternatives(outcome, level.ladder, rank)
    conditions = [condition for listed in alternatives for condition in listed]
    meant: list[set[str]] = []
    for name in failed.names:
        matching = _matching(name, conditions)
        if not matching:
            _unknown(
                case,
                f"condition of {level.name(rank)}",
                name,
                dict.fromkeys(condition.needed for condition in conditions),
            )
        meant.append({condition.needed for condition in matching})
    lacking = [{x.needed for x in listed if not x.has_passed} for listed in alternatives]
    for found in [*lacking, set().union(*lacking)]:
        if all(found & names for names in meant) and found <= set().union(*meant):
            return
    expected = ", ".join(failed.names) or "nothing"
    yield (
        f"failed conditions of {level.name(rank)}: expected {expected}, "
        f"came {_listed(_closest(outcome, level.ladder, rank))}"
    )


def _matching(name: str, conditions: Sequence[Condition]) -> list[Condition]:
    """The conditions somebody means: by metric, criterion or dimension, else by a part of the name or of the words."""
    wanted = _folded(name)
    exact = [x for x in conditions if wanted in (_folded(x.subject), _folded(x.needed))]
    if exact:
        return exact
    return [
        x
        for x in conditions
        if wanted and (wanted in _folded(f"{x.subject} {x.needed}") or _folded(x.subject) in wanted)
    ]


def _folded(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", " ", text.casefold()).strip()

"""Why a partner holds its levels: from values over points, dimensions and total to levels, and what is missing.

All numbers are those of the released tables. The policy document of the version that decided adds what no table holds:
who may see a ladder, how wide the buffer is, how many reviews a move takes. Without it the story is told with fewer
words, and not at all to partners. Amounts are in the reporting currency, points and weights as the policy counts them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any, Literal

import duckdb

from pipelines.catalogue import SYSTEMS, catalogue
from pipelines.errors import ConfigError, InputError
from pipelines.policy.conditions import atom, plain
from pipelines.policy.declared import Span
from pipelines.policy.model import Buffered, Ladder, PolicyDocument
from pipelines.policy.rows import bars_of, flat_benefits

Audience = Literal["internal", "partner"]
Outcome = Literal["passed", "failed", "unknown"]

# Raised when a key of the JSON form is taken away or gets another meaning; new keys do not count.
FORM = 1
_SCORE_KINDS = ("score", "dimension", "points")
_SHOWN_NAMES = 8
_STATE = 7
_AGE_WRAPS = 92
# Actions that leave a partner where it was.
_STAYING = ("kept", "on_watch", "frozen", "outside")
# What keeps a partner from falling although every value is known, as reason codes.
_DOUBTS = {"stale_source", "partial_source", "records_set_aside"}
_FROZEN = "; frozen: it would fall only because "


@dataclass(frozen=True)
class CriterionLine:
    """One criterion: its value, its points and what they add to the total.

    `weight` is the weight in the total when everything is known, `counted_weight` with the weights of unknown criteria
    shared out; both are null in a plain sum. `points` is null where the criterion is left out.
    """

    criterion: str
    metric: str
    dimension: str | None
    value: Decimal | None
    is_observed: bool
    unknown_because: str | None
    points: Decimal | None
    max_points: Decimal | None
    lost_to_cap: Decimal | None
    weight: Decimal | None
    counted_weight: Decimal | None
    contribution: Decimal | None
    share_of_total: float | None
    reason: str | None


@dataclass(frozen=True)
class DimensionLine:
    """One dimension: its score and what it adds to the total; the score is null where none of it is known."""

    dimension: str
    score: Decimal | None
    weight: Decimal | None
    counted_weight: Decimal | None
    contribution: Decimal


@dataclass(frozen=True)
class Score:
    """The total and everything that adds up to it. `rank` is null for partners: it speaks of others."""

    total: Decimal | None
    contributions: Decimal
    evidence_share: float | None
    rank: int | None
    ranked: int | None
    track: str | None
    dimensions: tuple[DimensionLine, ...]
    criteria: tuple[CriterionLine, ...]


@dataclass(frozen=True)
class Condition:
    """One condition of a level. `distance` is what is missing in the subject's unit, null where that is unknown.

    `needed_to_rise` and `needed_to_keep` are the bars with the policy's buffer on top and taken off; null where no
    buffer applies.
    """

    kind: str
    subject: str
    operator: str
    needed: str
    needed_value: Decimal | None
    actual: str
    actual_value: Decimal | None
    outcome: Outcome
    unknown_because: str | None
    distance: Decimal | None
    needed_to_rise: Decimal | None
    needed_to_keep: Decimal | None

    @property
    def passes_raised(self) -> bool:
        """Whether it holds with the bar a rise asks for."""
        return self._passes(self.needed_to_rise)

    @property
    def passes_lowered(self) -> bool:
        """Whether it holds with the bar that keeps a level."""
        return self._passes(self.needed_to_keep)

    def _passes(self, bar: Decimal | None) -> bool:
        if bar is None or self.actual_value is None:
            return self.outcome == "passed"
        return _holds(self.operator, self.actual_value, bar)


@dataclass(frozen=True)
class Way:
    """One alternative of a level: all its conditions must hold. `ways` is how many alternatives the level has."""

    level: str
    alternative: int
    ways: int
    has_passed: bool
    conditions: tuple[Condition, ...]

    @property
    def failed(self) -> tuple[Condition, ...]:
        """The conditions that do not hold; an unknown value does not."""
        return tuple(condition for condition in self.conditions if condition.outcome != "passed")


@dataclass(frozen=True)
class Granted:
    """One entitlement of a level."""

    entitlement: str
    value: str


@dataclass(frozen=True)
class Exemption:
    """A signed exception that decides instead of the rules.

    `rules_give` is the level that movement would leave, null where the record does not say; `signed` is why, by whom
    and until when, null for partners.
    """

    level: str
    rules_give: str | None
    signed: str | None


@dataclass(frozen=True)
class LadderStory:
    """One ladder: what was earned, what is held and why, and what a rise would take.

    `held` is the level on record where the quarter was released, else the one that the replay gives; `restated` is
    what the replay gives with what is known now. `released_in` names the release of an earlier decision, null for this
    one's. Reviews are quarters.
    """

    ladder: str
    audience: str | None
    earned: str
    held: str
    previous: str | None
    action: str
    is_on_record: bool
    released_in: str | None
    restated: str
    held_since: str
    reviews_held: int
    reviews_above: int
    reviews_below: int
    reason_codes: tuple[str, ...]
    reason: str
    held_by: Way | None
    next_level: str | None
    next_by: Way | None
    to_rise: str
    to_keep: str | None
    entitlements: tuple[Granted, ...]
    next_entitlements: tuple[Granted, ...]
    exception: Exemption | None


@dataclass(frozen=True)
class Explanation:
    """A partner's whole story in one quarter."""

    partner_id: str
    partner_number: str | None
    partner_name: str
    quarter: str
    quarter_end: str
    release: str
    known_at: str
    policy: str
    version: str
    audience: Audience
    systems: tuple[str, ...] | None
    score: Score | None
    ladders: tuple[LadderStory, ...]
    notes: tuple[str, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON: decimals become numbers, `form` says which shape this is."""
        made: dict[str, Any] = _plain_values({"form": FORM, **asdict(self)})
        return made


def explain(
    con: duckdb.DuckDBPyConnection,
    wanted: str,
    *,
    documents: Mapping[str, PolicyDocument],
    quarter: str | None = None,
    ladder: str | None = None,
    audience: Audience = "internal",
) -> Explanation:
    """One partner's story, from an open release.

    Args:
        con: the released tables.
        wanted: a partner number or id, or a partner's name or a part of it.
        documents: policy documents by `name@version`, as they were when the release was made.
        quarter: a fiscal quarter; the release's by default.
        ladder: one ladder alone.
        audience: `partner` leaves out internal ladders and all that speaks of them.

    Raises:
        InputError: no such partner, quarter or ladder, or several partners match.
        ConfigError: the story is for partners and the policy that says what they may see is not there.
    """
    head = _row(con, "select * from partner_segments limit 1")
    key = _partner(con, wanted)
    history = _rows(
        con,
        "select * from partner_level_history where partner_id = $1 and policy = $2 order by ladder, quarter_end",
        [key, head["policy"]],
    )
    reviewed = {row["quarter"]: row for row in sorted(history, key=lambda row: row["quarter_end"])}
    newest = history[-1]
    asked = (quarter or head["quarter"]).upper()
    notes = []
    if asked not in reviewed:
        if quarter is not None:
            raise InputError(
                f"{newest['partner_name']} has no review in {quarter}", next_step=f"its reviews: {', '.join(reviewed)}"
            )
        asked = list(reviewed)[-1]
        notes.append(f"not on the roster of {head['quarter']}; this is its last review")
    review = reviewed[asked]
    document = documents.get(f"{head['policy']}@{review['version']}")
    if document is None and audience == "partner":
        raise ConfigError(
            f"policy {head['policy']}@{review['version']} is not at hand as it was when the release was made, and it "
            "alone says which ladders partners may see",
            next_step="keep every released version in the folder of policies, unchanged",
        )
    known = {row["ladder"]: row for row in history if row["quarter"] == asked}
    visible = [name for name in known if audience == "internal" or _audience(document, name) == "partner"]
    if ladder is not None and ladder not in visible:
        raise InputError(f"there is no ladder {ladder!r}", next_step=f"ladders: {', '.join(visible) or 'none'}")
    shown = [name for name in visible if ladder in (None, name)]
    told = _Told(con, key, review, document, head, audience)
    counts = audience == "internal" or any(_rests_on_score(document, name) for name in shown)
    partner = _row(con, "select * from partner_segments where partner_id = $1", [key])
    systems = tuple(str(partner["systems"]).split(", ")) if partner.get("systems") else None
    return Explanation(
        partner_id=key,
        partner_number=review["partner_number"],
        partner_name=review["partner_name"],
        quarter=asked,
        quarter_end=str(review["quarter_end"]),
        release=head["release"],
        known_at=str(head["known_at"]),
        policy=head["policy"],
        version=review["version"],
        audience=audience,
        systems=systems if audience == "internal" else None,
        score=told.score(systems) if counts else None,
        ladders=tuple(told.ladder([r for r in history if r["ladder"] == name], systems) for name in shown),
        notes=tuple(notes),
    )


# --- finding ----------------------------------------------------------------------------------------------------


def _rows(con: duckdb.DuckDBPyConnection, sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
    """Rows by column name: columns that only some versions release are read with `get`."""
    result = con.execute(sql, list(values))
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _row(con: duckdb.DuckDBPyConnection, sql: str, values: Sequence[Any] = ()) -> dict[str, Any]:
    found = _rows(con, sql, values)
    return found[0] if found else {}


def _partner(con: duckdb.DuckDBPyConnection, wanted: str) -> str:
    """The id of the one partner meant; accents and capitals do not matter."""
    con.execute(
        "create or replace temp view known_partners as select partner_id, arg_max(partner_number, quarter_end) "
        "as partner_number, arg_max(partner_name, quarter_end) as partner_name, "
        "strip_accents(lower(arg_max(partner_name, quarter_end))) as name, "
        "lower(coalesce(arg_max(partner_number, quarter_end), '')) as number "
        "from partner_level_history where policy = (select any_value(policy) from partner_segments) group by partner_id"
    )
    asked = "strip_accents(lower($1))"
    for condition in (
        f"number = {asked} or partner_id = $1",
        f"name = {asked}",
        f"contains(name, {asked}) or contains(number, {asked})",
    ):
        found = con.execute(
            f"select partner_id, partner_number, partner_name from known_partners where {condition} order by 2, 3, 1",
            [wanted.strip()],
        ).fetchall()
        if len(found) > 1:
            listed = ", ".join(f"{number or key} {name}" for key, number, name in found[:_SHOWN_NAMES])
            more = f" and {len(found) - _SHOWN_NAMES} more" if len(found) > _SHOWN_NAMES else ""
            raise InputError(
                f"{len(found)} partners match {wanted!r}: {listed}{more}", next_step="give the partner number"
            )
        if found:
            return str(found[0][0])
    near = con.execute(
        "select partner_number, partner_id, partner_name from known_partners order by greatest("
        f"jaro_winkler_similarity(name, {asked}), jaro_winkler_similarity(number, {asked})) desc, 1, 2 limit 5",
        [wanted.strip()],
    ).fetchall()
    listed = ", ".join(f"{number or key} {name}" for number, key, name in near)
    raise InputError(f"no partner is called {wanted!r}; the nearest: {listed}", next_step="`segments show` lists them")


def _audience(document: PolicyDocument | None, ladder: str) -> str | None:
    found = document.ladders.get(ladder) if document else None
    return found.audience if found else None


def _rests_on_score(document: PolicyDocument | None, ladder: str) -> bool:
    """Whether a ladder looks at the score: a partner who sees only other ladders has no use for it."""
    return document is not None and ladder in document.ladders and looks_at_score(ladder, document.ladders[ladder])


def looks_at_score(name: str, ladder: Ladder) -> bool:
    """Whether any level of a ladder asks for points, a dimension or the total, or takes the best by it."""
    asks = any(atom(bar).kind in _SCORE_KINDS for _, bar in bars_of(name, ladder))
    return asks or any(level.capacity is not None for level in ladder.levels)


# --- the story ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _View:
    """What stands of one review: what is on record where there is a record, else as the replay gives it."""

    quarter: str
    level: str
    action: str
    above: int
    below: int
    age: int
    is_on_record: bool


def _view(row: dict[str, Any]) -> _View:
    level, action, state = row["released_level"], row["released_action"], row["released_state"] or ""
    above, below, age = row["reviews_above"], row["reviews_below"], 0
    if level is None or action is None:
        return _View(row["quarter"], row["held_level"], row["action"], above, below, age, False)
    # A state is held rank, reviews above, reviews below, two digits each, the action, and in newer releases the reviews
    # since the level began, which start again at 92.
    if len(state) >= _STATE:
        above, below = int(state[2:4]), int(state[4:6])
    if len(state) > _STATE and action != "overridden" and int(state[_STATE : _STATE + 2]) < _AGE_WRAPS:
        age = int(state[_STATE : _STATE + 2])
    return _View(row["quarter"], level, action, above, below, age, True)


class _Told:
    """One partner in one review, read from the release piece by piece."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        partner: str,
        review: dict[str, Any],
        document: PolicyDocument | None,
        head: dict[str, Any],
        audience: Audience,
    ) -> None:
        self.con, self.partner, self.document, self.head, self.audience = con, partner, document, head, audience
        self.quarter, self.policy, self.version = review["quarter"], review["policy"], review["version"]
        self.key = [partner, self.quarter, self.policy, self.version]

    def _mine(self, table: str) -> list[dict[str, Any]]:
        return _rows(
            self.con,
            f"select * from {table} where partner_id = $1 and quarter = $2 and policy = $3 and version = $4",
            self.key,
        )

    # --- score

    def score(self, systems: tuple[str, ...] | None) -> Score | None:
        found = self._mine("partner_scores")
        if not found:
            return None
        whole = found[0]
        track = whole.get("track")
        rows = [row for row in self._mine("partner_score_contributions") if row.get("track", track) in (track, None)]
        order = self._order_of_criteria()
        rows.sort(key=lambda row: (order.get(row["criterion"], len(order)), row["criterion"]))
        weights = _Weights(rows)
        criteria = tuple(
            CriterionLine(
                criterion=row["criterion"],
                metric=row["metric"],
                dimension=row["dimension"],
                value=row["value"],
                is_observed=row["is_observed"],
                unknown_because=None if row["is_observed"] else self.unknown("metric", row["metric"], systems),
                points=row["points"],
                max_points=row["max_points"],
                lost_to_cap=row["lost_to_cap"],
                weight=row["weight"] if weights.is_weighted else None,
                counted_weight=weights.counted(row),
                contribution=row["contribution"],
                share_of_total=row["share_of_total"],
                reason=row["reason"],
            )
            for row in rows
        )
        scores: dict[str, Any] = json.loads(whole["dimension_scores"] or "{}", parse_float=Decimal, parse_int=Decimal)
        listed = [*dict.fromkeys(line.dimension for line in criteria if line.dimension)]
        dimensions = tuple(
            DimensionLine(
                dimension=name,
                score=scores.get(name),
                weight=weights.of_dimension.get(name) if weights.is_weighted else None,
                counted_weight=weights.counted_dimension(name),
                contribution=sum((x.contribution or Decimal(0) for x in criteria if x.dimension == name), Decimal(0)),
            )
            for name in [*listed, *(name for name in scores if name not in listed)]
        )
        ranked = _row(
            self.con,
            "select count(score_rank) as n from partner_scores where quarter = $1 and policy = $2 and version = $3",
            self.key[1:],
        )
        is_shown = self.audience == "internal" and whole["score_rank"] is not None
        return Score(
            total=whole["total_score"],
            contributions=sum((line.contribution or Decimal(0) for line in criteria), Decimal(0)),
            evidence_share=whole["evidence_share"],
            rank=whole["score_rank"] if is_shown else None,
            ranked=ranked["n"] if is_shown else None,
            track=track,
            dimensions=dimensions,
            criteria=criteria,
        )

    def _order_of_criteria(self) -> dict[str, int]:
        """The order of the policy, by dimension; without its document the order of names."""
        score = self.document.score if self.document else None
        if score is None:
            return {}
        dimensions = list(score.dimensions or dict.fromkeys(c.dimension for c in score.criteria if c.dimension))
        placed = sorted(
            score.criteria,
            key=lambda c: dimensions.index(c.dimension) if c.dimension in dimensions else len(dimensions),
        )
        return {criterion.id: position for position, criterion in enumerate(placed)}

    # --- why a value is unknown

    def unknown(self, kind: str, subject: str, systems: tuple[str, ...] | None) -> str:
        """Why nobody knows a value, as far as that can be told from outside the sources."""
        if kind == "attribute":
            return f"no system tells the partner's {subject}"
        if kind == "score":
            return "there is no total"
        if kind == "dimension":
            return "none of its criteria is known"
        if kind == "points":
            return "the criterion has no points"
        metric, span = subject, None
        if self.document:
            derived = self.document.derived.get(subject)
            if derived is not None and derived.metric is None:
                parts = [part for _, part in derived.mentions()]
                said = f"made of {' and '.join(parts)}"
                return f"{said}, which is unknown" if len(parts) == 1 else f"{said}, of which one is unknown or 0"
            metric = derived.metric if derived is not None and derived.metric else subject
            span = self.document.span_of(subject)
            if metric in self.document.declares:
                return "no fact of that name is known of the partner" + _or_window(span)
        found = catalogue().get(metric)
        if found and systems is not None:
            strangers = [SYSTEMS[kind] for kind in found.sources if kind in SYSTEMS and kind not in systems]
            if strangers:
                return f"{_and(strangers)} {'does' if len(strangers) == 1 else 'do'} not know the partner"
        if found and found.unknown_when:
            return f"no value {found.unknown_when}" + _or_window(span)
        if span is not None and span.complete:
            return "the partner's history does not cover the window"
        return "no system that knows the partner tells it"

    # --- levels

    def ladder(self, history: list[dict[str, Any]], systems: tuple[str, ...] | None) -> LadderStory:
        rows = [row for row in history if row["quarter_end"] <= _end_of(history, self.quarter)]
        row, views = rows[-1], [_view(each) for each in rows]
        view, name, held_for = views[-1], row["ladder"], _reviews_held(views)
        rules = self.document.ladders.get(name) if self.document else None
        movement = rules.movement if rules and isinstance(rules.movement, Buffered) else None
        ranks = {
            each["level"]: each["level_rank"]
            for each in _rows(
                self.con,
                "select level, level_rank from segment_summary where quarter = $1 and policy = $2 and version = $3 "
                "and ladder = $4 order by level_rank",
                [*self.key[1:], name],
            )
        }
        outside = next((level.level for level in rules.levels if level.outside), None) if rules else None
        ways = self._ways(name, movement, is_inside=view.level != outside, systems=systems)
        levels = list(ranks)
        above = levels[: levels.index(view.level)] if view.level in levels else []
        next_level = above[-1] if above else None
        next_by = _nearest(ways.get(next_level, [])) if next_level else None
        held_by = _nearest(ways.get(view.level, []), hanging=view.action == "frozen")
        told = row.get("released_reason_codes") or row.get("reason_codes") or ""
        codes = tuple(code.strip() for code in told.split(",") if code.strip())
        if view.action not in codes:
            codes = _codes(
                row, view, ranks, ways
            )  # a release without codes, or a record that the replay disagrees with
        facts = _Facts(
            name=name,
            earned=row["earned_level"],
            view=view,
            previous=_previous(views),
            ranks=ranks,
            ways=ways,
            movement=movement,
            outside=outside,
            codes=codes,
            frozen_because=_frozen_because(row) if self.audience == "internal" else None,
        )
        return LadderStory(
            ladder=name,
            audience=_audience(self.document, name),
            earned=row["earned_level"],
            held=view.level,
            previous=facts.previous,
            action=view.action,
            is_on_record=view.is_on_record,
            released_in=row["released_in"],
            restated=row["held_level"],
            held_since=views[-held_for].quarter,
            reviews_held=held_for,
            reviews_above=view.above,
            reviews_below=view.below,
            reason_codes=facts.codes,
            reason=facts.reason(held_by),
            held_by=held_by,
            next_level=next_level,
            next_by=next_by,
            to_rise=facts.to_rise(next_level, next_by),
            to_keep=facts.to_keep(held_by),
            entitlements=self._granted(name, view.level),
            next_entitlements=self._granted(name, next_level) if next_level else (),
            exception=self._exception(row, view, ranks),
        )

    def _ways(
        self, ladder: str, movement: Buffered | None, *, is_inside: bool, systems: tuple[str, ...] | None
    ) -> dict[str, list[Way]]:
        """Every alternative of every level that has conditions."""
        grouped: dict[str, dict[int, list[dict[str, Any]]]] = {}
        for row in sorted(self._mine("partner_gates"), key=lambda row: (row["alternative"], row["condition"])):
            if row["ladder"] == ladder:
                grouped.setdefault(row["level"], {}).setdefault(row["alternative"], []).append(row)
        buffer = movement.buffer if movement and is_inside else Decimal(0)
        made: dict[str, list[Way]] = {}
        for level, alternatives in grouped.items():
            made[level] = []
            for number, rows in alternatives.items():
                conditions = tuple(self._condition(row, buffer, systems) for row in rows)
                passed = all(condition.outcome == "passed" for condition in conditions)
                made[level].append(Way(level, number, len(alternatives), passed, conditions))
        return made

    def _condition(self, row: dict[str, Any], buffer: Decimal, systems: tuple[str, ...] | None) -> Condition:
        outcome: Outcome = row.get("outcome") or (
            "passed" if row["has_passed"] else "failed" if row["is_observed"] else "unknown"
        )
        raised = lowered = None
        if buffer and row["kind"] in _SCORE_KINDS and row["needed_value"] is not None and row["operator"] != "equals":
            size = buffer if row["operator"] in ("at_least", "above") else -buffer
            raised, lowered = row["needed_value"] + size, row["needed_value"] - size
        return Condition(
            kind=row["kind"],
            subject=row["subject"],
            operator=row["operator"],
            needed=row["needed"],
            needed_value=row["needed_value"],
            actual=row["actual"],
            actual_value=row["actual_value"],
            outcome=outcome,
            unknown_because=self.unknown(row["kind"], row["subject"], systems) if outcome == "unknown" else None,
            distance=row["distance"],
            needed_to_rise=raised,
            needed_to_keep=lowered,
        )

    def _granted(self, ladder: str, level: str) -> tuple[Granted, ...]:
        """What a level gives: as released for whoever holds it now, else as the policy says."""
        if self.version == self.head["version"]:
            start = f"{ladder}.{level}: "
            found = self.con.execute(
                "select entitlements from partner_segments where contains('; ' || entitlements, '; ' || $1) limit 1",
                [start],
            ).fetchone()
            if found:
                # A value may hold "; " itself: a new entitlement begins with its ladder and level.
                parts = re.split(r"; (?=[A-Za-z]\w*\.[A-Za-z]\w*: )", found[0])
                named = (part.removeprefix(start).split(" ", 1) for part in parts if part.startswith(start))
                return tuple(Granted(name, value) for name, value in named)
        promised = self.document.entitlements.get(f"{ladder}.{level}", {}) if self.document else {}
        return tuple(Granted(name, value) for name, value in flat_benefits(promised))

    def _exception(self, row: dict[str, Any], view: _View, ranks: Mapping[str, int]) -> Exemption | None:
        if view.action != "overridden":
            return None
        state = row["released_state"]
        by_rules = next((level for level, rank in ranks.items() if state and rank == int(state[:2])), None)
        return Exemption(view.level, by_rules, row.get("exception") if self.audience == "internal" else None)


class _Weights:
    """Weights as the rows give them, and with those of unknown criteria shared out among the known ones."""

    def __init__(self, rows: Iterable[dict[str, Any]]) -> None:
        self.of_dimension: dict[str | None, Decimal] = {}
        self.known: dict[str | None, Decimal] = {}
        self.is_weighted = False
        for row in rows:
            name, weight = row["dimension"], row["weight"]
            self.of_dimension[name] = self.of_dimension.get(name, Decimal(0)) + weight
            self.known.setdefault(name, Decimal(0))
            if row["points"] is not None:
                self.known[name] += weight
            # A plain sum gives every criterion the weight 1; so does a score of one criterion, with the same result.
            self.is_weighted = self.is_weighted or weight != 1
        self.all_known = sum((self.of_dimension[name] for name, known in self.known.items() if known), Decimal(0))

    def counted(self, row: dict[str, Any]) -> Decimal | None:
        name = row["dimension"]
        if not self.is_weighted or row["points"] is None or not self.known[name]:
            return None
        share = row["weight"] / self.known[name] * self.of_dimension[name] / self.all_known
        return Decimal(share).quantize(Decimal("0.000001"))

    def counted_dimension(self, name: str) -> Decimal | None:
        if not self.is_weighted or not self.known.get(name):
            return None
        return (self.of_dimension[name] / self.all_known).quantize(Decimal("0.000001"))


def _or_window(span: Span | None) -> str:
    return ", or the partner's history does not cover the window" if span is not None and span.complete else ""


def _frozen_because(row: dict[str, Any]) -> str | None:
    """What somebody does not fall for, as the reasons of the release say it."""
    return (row.get("released_reasons") or row["reasons"] or "").partition(_FROZEN)[2] or None


def _end_of(history: list[dict[str, Any]], quarter: str) -> Any:
    return next(row["quarter_end"] for row in history if row["quarter"] == quarter)


def _reviews_held(views: list[_View]) -> int:
    """For how many reviews the level held now has been held without a break, this one included."""
    count = 0
    for view in reversed(views):
        if view.level != views[-1].level:
            break
        count += 1
    # Before the first record the replay may see another past than the decisions on record had.
    return min(max(count, views[-1].age + 1), len(views))


def _previous(views: list[_View]) -> str | None:
    """The level held before this review."""
    if len(views) < 2:
        return None
    return views[-1].level if views[-1].action in _STAYING else views[-2].level


def _holds(operator: str, actual: Decimal, needed: Decimal) -> bool:
    return {
        "at_least": actual >= needed,
        "above": actual > needed,
        "at_most": actual <= needed,
        "below": actual < needed,
    }.get(operator, actual == needed)


def _nearest(ways: Sequence[Way], *, hanging: bool = False) -> Way | None:
    """The way with the fewest failed conditions, of these the least unknown ones, then the smallest relative distance.

    Distances of different things are compared as shares of what is needed. Of ways that all hold, the one with the
    least missing for a rise. `hanging`: ways that only unknown values keep from holding come first.
    """

    def distance(way: Way) -> Decimal:
        parts = [
            abs(bar.distance) / (abs(bar.needed_value) or 1)
            for bar in way.failed
            if bar.distance is not None and bar.needed_value is not None
        ]
        return sum(parts, Decimal(0))

    def unknown(way: Way) -> int:
        return sum(bar.outcome == "unknown" for bar in way.conditions)

    def not_raised(way: Way) -> int:
        return sum(not bar.passes_raised for bar in way.conditions)

    return min(
        ways,
        key=lambda way: (
            hanging and not _hangs(way),
            len(way.failed),
            unknown(way),
            distance(way),
            not_raised(way),
            way.alternative,
        ),
        default=None,
    )


def _hangs(way: Way) -> bool:
    """Whether a way would be kept if only its unknown values were good ones."""
    return not way.has_passed and all(bar.passes_lowered or bar.outcome == "unknown" for bar in way.conditions)


def _codes(
    row: dict[str, Any], view: _View, ranks: Mapping[str, int], ways: Mapping[str, Sequence[Way]]
) -> tuple[str, ...]:
    """The reason codes of releases that do not say them yet."""
    earned, held = ranks.get(row["earned_level"]), ranks.get(view.level)
    codes = [view.action]
    if view.action == "kept" and earned is not None and held is not None and earned != held:
        codes.append("awaiting_promotion" if view.above else "within_buffer")
    if view.action in ("promoted", "demoted") and earned != held:
        codes.append("step_limit")
    reached = [ranks[level] for level, found in ways.items() if level in ranks and any(w.has_passed for w in found)]
    if earned is not None and min(reached, default=earned) < earned:
        codes.append("level_full")
    return tuple(codes)


@dataclass(frozen=True)
class _Facts:
    """What the sentences about one ladder are made of."""

    name: str
    earned: str
    view: _View
    previous: str | None
    ranks: Mapping[str, int]
    ways: Mapping[str, Sequence[Way]]
    movement: Buffered | None
    outside: str | None
    codes: tuple[str, ...]
    frozen_because: str | None

    @property
    def _buffer(self) -> str:
        return f"the buffer of {plain(self.movement.buffer)}" if self.movement else "the buffer"

    def _reviews(self, count: int) -> str:
        return "one review" if count == 1 else f"{count} reviews"

    def reason(self, held_by: Way | None) -> str:
        """Why this level is held, in one sentence."""
        said = self._held()
        is_unknown = not _DOUBTS & set(self.codes)
        if self.view.action == "frozen" and is_unknown and held_by and _hangs(held_by):
            unknown = [_subject(bar) for bar in held_by.failed if bar.outcome == "unknown"]
            said = f"earned {self.earned}, holds {self.view.level}: that hangs on {_and(unknown)}, which nobody knows, "
            said += "and nobody falls for that"
        if "level_full" in self.codes:
            full = self._reached_above()
            said += f"; {full} is full" if full else "; the level above is full"
        if "no_track" in self.codes:
            said += "; no track fits the partner, so it has no score"
        elif "score_unknown" in self.codes:
            said += "; its score is unknown"
        return said + "."

    def _reached_above(self) -> str | None:
        """The best level whose conditions hold, where it is above the one earned."""
        reached = [
            level
            for level, rank in self.ranks.items()
            if rank < self.ranks.get(self.earned, 0) and any(way.has_passed for way in self.ways.get(level, ()))
        ]
        return reached[0] if reached else None

    def _held(self) -> str:
        earned, held, action = self.earned, self.view.level, self.view.action
        beside = f"earned {earned}, holds {held}"
        if action == "overridden":
            return f"a signed exception gives {held}; the rules alone speak of {earned}"
        if action == "outside":
            return f"meets no level's conditions, so it stays {held}"
        if "exception_ended" in self.codes:
            return f"its exception has ended: earned {earned}, from {self.previous} to {held}"
        if action == "entered":
            return f"entered at {held}, the level it earned"
        if action == "exited":
            return f"met no level's conditions{self._in_a_row('demote_after')} and left the programme"
        if action in ("promoted", "demoted"):
            verb = "rose" if action == "promoted" else "fell"
            steps = self.movement.max_steps if self.movement else None
            limit = (steps.up if action == "promoted" else steps.down) if steps else None
            told = f"earned {earned} and {verb} from {self.previous} to {held}"
            if earned != held and "step_limit" in self.codes:
                told += f"; {f'at most {limit} level' if limit == 1 else f'at most {limit} levels'} per review"
            return told
        if action == "frozen" and self.frozen_because and _DOUBTS & set(self.codes):
            return f"{beside}: it would fall only because {self.frozen_because}, and nobody falls for that"
        if action == "frozen":
            return f"{beside}: it would fall for a value that is unknown or out of date, and nobody falls for that"
        if action == "on_watch":
            return f"{beside}: on watch, {self._strike()}"
        if earned == held:
            return f"earned {held} and keeps it"
        if "new_partner_grace" in self.codes:
            grace = f"the first {self._reviews(self.movement.new_partner_grace)}" if self.movement else "its grace"
            return f"{beside}: a new partner does not fall in {grace}"
        if self.ranks.get(earned, 0) > self.ranks.get(held, 0):
            return f"{beside}: it misses the bar of {held} by less than {self._buffer}"
        if "awaiting_promotion" in self.codes:
            wanted = f" of {self.movement.promote_after}" if self.movement else ""
            return f"{beside}: review {self.view.above}{wanted} in a row above it"
        return f"{beside}: it passes the bar of {earned}, but not with {self._buffer} on top"

    def _in_a_row(self, key: str) -> str:
        count = getattr(self.movement, key) if self.movement else 1
        return "" if count == 1 else f" in {count} reviews in a row"

    def _strike(self) -> str:
        if "hold_until" in self.codes:
            until = {
                "anniversary": "the anniversary of the level",
                "policy_year": "the end of the policy year",
            }.get(self.movement.hold_until if self.movement else "", "the end of the hold")
            return f"below the level for {self._reviews(self.view.below)}, and falls wait until {until}"
        wanted = f" of {self.movement.demote_after}" if self.movement else ""
        return f"review {self.view.below}{wanted} in a row below it"

    # --- what it would take

    def to_rise(self, level: str | None, way: Way | None) -> str:
        """What a rise to the next level would take, in one sentence."""
        if level is None:
            return f"{self.view.level} is the top of {self.name}."
        if way is None:
            return f"{level} asks for nothing that is not there."
        missing = [condition for condition in way.conditions if not condition.passes_raised]
        if missing:
            listed = _and([_asked(condition) for condition in missing])
            return f"{level} needs {listed}{self._lasting()}."
        if self._is_full(level):
            return f"{level} needs a place: every bar is passed, but partners with a higher total take all of them."
        if self.movement and self.view.above < self.movement.promote_after and self.movement.promote_after > 1:
            left = self.movement.promote_after - self.view.above
            return f"{level} needs {self._reviews(left)} more above its bars."
        return f"{level} needs nothing more: every bar is passed, and the next review decides."

    def _is_full(self, level: str) -> bool:
        earned = self.ranks.get(self.earned, 0)
        return "level_full" in self.codes and self.ranks.get(level, 0) < earned

    def _lasting(self) -> str:
        count = self.movement.promote_after if self.movement else 1
        return "" if count == 1 else f", in {count} reviews in a row"

    def to_keep(self, way: Way | None) -> str | None:
        """What is missing for the level held, where the rules would take it away; None where nothing is."""
        missing = [condition for condition in way.conditions if not condition.passes_lowered] if way else []
        if self.view.action not in ("on_watch", "frozen") or not missing:
            return None
        end = ""
        if self.view.action == "on_watch" and self.movement and "hold_until" not in self.codes:
            left = self.movement.demote_after - self.view.below
            end = f"; otherwise it is lost {'at the next review' if left <= 1 else f'after {left} more reviews'}"
        return f"{self.view.level} needs {_and([_asked(condition, rising=False) for condition in missing])}{end}."


def _subject(condition: Condition) -> str:
    return {
        "score": "total score",
        "dimension": f"{condition.subject} score",
        "points": f"points of {condition.subject}",
    }.get(condition.kind, condition.subject)


def _asked(condition: Condition, *, rising: bool = True) -> str:
    """What one condition that does not hold asks for."""
    what = _subject(condition)
    if condition.kind == "attribute":
        return f"{condition.needed} (now {condition.actual})"
    if condition.outcome == "unknown" and condition.kind != "top_share":
        return f"{condition.needed}, which is unknown today ({condition.unknown_because})"
    if condition.kind == "top_share":
        place = f"place {plain(condition.needed_value)} or better" if condition.needed_value else condition.needed
        return f"{place} by {condition.subject} (now {condition.actual})"
    buffered = condition.needed_to_rise if rising else condition.needed_to_keep
    bar = condition.needed_value if buffered is None else buffered
    actual = condition.actual_value
    if bar is None or actual is None:
        return condition.needed
    word = {"at_least": "at least", "above": "more than", "at_most": "at most", "below": "less than"}.get(
        condition.operator, "exactly"
    )
    gap = abs(bar - actual)
    more = "more" if bar > actual else "less"
    size = f", {plain(gap)} {more}" if gap else ""
    why = ""
    if buffered is not None:
        why = f", the bar of {plain(condition.needed_value)} {'plus' if rising else 'less'} the buffer"
    return f"{what} {word} {plain(bar)} (now {plain(actual)}{size}{why})"


def _and(parts: Sequence[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _plain_values(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain_values(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_values(inner) for inner in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value

"""The policy document: what a partner programme can say in one file, key by key.

Shapes and single values only. Conditions are in `conditions.py`; whether the parts agree with each other, with the
metric catalogue and with their own examples is judged in `checks.py`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal, Union

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator

from pipelines.policy.bands import FactorBand, PointsBand
from pipelines.policy.conditions import Bar, Condition
from pipelines.policy.declared import Declared, Derived, MetricWindow, Span, Window, narrowed
from pipelines.policy.parts import (
    AtLeastZero,
    Count,
    Day,
    Digits,
    Lag,
    Name,
    Number,
    Part,
    PolicyName,
    PositiveShare,
    Share,
    Text,
    Version,
    YesNo,
    complaint,
)

# The scale of a weighted score and of the points that feed it.
FULL_POINTS = Decimal(100)

Missing = Literal["renormalise", "zero", "block"]
Role = Literal["sourced", "influenced", "fulfilled"]
RoundingMode = Literal["half_up", "down", "up"]


class RoleWeights(Part):
    """Credit for a deal split by what each partner did in it."""

    model: Literal["role_weighted"]
    weights: dict[Role, Share] = Field(min_length=1, description="how much each role counts")

    @model_validator(mode="after")
    def _credits_somebody(self) -> RoleWeights:
        if not any(self.weights.values()):
            raise complaint("at least one role with a weight above 0")
        return self


def _attribution_form(data: Any) -> str:
    return "<model>" if isinstance(data, dict | RoleWeights) else "<word>"


Attribution = Annotated[
    Union[  # noqa: UP007
        Annotated[Literal["primary", "equal"], Tag("<word>")], Annotated[RoleWeights, Tag("<model>")]
    ],
    Discriminator(_attribution_form),
]


class Rounding(Part):
    """How scores are rounded."""

    digits: Digits = Field(2, description="decimals kept")
    mode: RoundingMode = Field("half_up", description="half_up, down (toward 0) or up (away from 0)")
    per: Literal["criterion", "total"] = Field(
        "criterion", description="criterion: points and sums are rounded; total: only the sums"
    )


class CriterionRounding(Part):
    """How the points of one criterion are rounded; what is left out is as in `rounding`."""

    digits: Digits | None = Field(None, description="decimals kept")
    mode: RoundingMode | None = Field(None, description="half_up, down (toward 0) or up (away from 0)")


class Range(Part):
    """0 points at `low`, 100 at `high`, in proportion between; `low` above `high` when less is better."""

    low: Number
    high: Number

    @model_validator(mode="after")
    def _has_length(self) -> Range:
        if self.low == self.high:
            raise complaint("low and high to differ")
        return self


class PerUnit(Part):
    """Points for each unit of the metric."""

    each: Number = Field(description="points per unit")
    whole_units: YesNo = Field(False, description="true: only full units count")

    @model_validator(mode="after")
    def _gives_points(self) -> PerUnit:
        if not self.each:
            raise complaint("each to differ from 0")
        return self


class Percentile(Part):
    """The place among peers, from 0 to 100 points."""

    within: list[Name] = Field(default_factory=list, description="attributes peers have in common; none: everybody")
    shrink: AtLeastZero = Field(
        Decimal(0), description="how many partners of the whole roster to mix into each group, to steady small ones"
    )


class Flag(Part):
    """Points for a value above 0, none otherwise."""

    points: Number = Field(description="the points")


def _flag_form(data: Any) -> str:
    return "<flag>" if isinstance(data, dict | Flag) else "<points>"


POINT_KINDS = ("range", "per_unit", "percentile", "flag", "bands")


class Points(Part):
    """How a metric becomes points: exactly one kind."""

    range: Range | None = None
    per_unit: PerUnit | None = None
    percentile: Percentile | None = None
    flag: (
        Annotated[
            Union[Annotated[Flag, Tag("<flag>")], Annotated[Number, Tag("<points>")]],  # noqa: UP007
            Discriminator(_flag_form),
        ]
        | None
    ) = Field(None, description="the points of a value above 0")
    bands: list[PointsBand] | None = Field(None, min_length=1, description="points by bands of the value")

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Points:
        if sum(getattr(self, kind) is not None for kind in POINT_KINDS) != 1:
            raise complaint(f"exactly one of {', '.join(POINT_KINDS)}")
        return self

    @property
    def kind(self) -> str:
        return next(kind for kind in POINT_KINDS if getattr(self, kind) is not None)

    @property
    def flag_points(self) -> Decimal | None:
        """The points of a flag, however it is written."""
        return self.flag.points if isinstance(self.flag, Flag) else self.flag


class Multiplier(Part):
    """What the points of a criterion are multiplied with before min and max: a metric's value, or a factor by bands."""

    metric: Name = Field(description="a metric of the catalogue, declared or derived")
    bands: list[FactorBand] | None = Field(None, min_length=1, description="factors by bands; no band: 1")


def _tracks_form(data: Any) -> str:
    return "<list>" if isinstance(data, list | tuple) else "<name>"


class Criterion(Part):
    """One thing the score looks at."""

    id: Name = Field(description="a name for the criterion")
    metric: Name = Field(description="a metric of the catalogue, declared or derived")
    track: (
        Annotated[
            Union[  # noqa: UP007
                Annotated[Name, Tag("<name>")], Annotated[list[Name], Field(min_length=1), Tag("<list>")]
            ],
            Discriminator(_tracks_form),
        ]
        | None
    ) = Field(None, description="the track or tracks it stands in; none: every track")
    dimension: Name | None = Field(None, description="the dimension it belongs to (required when weighted)")
    weight: PositiveShare | None = Field(None, description="its part of the dimension (required when weighted)")
    points: Points = Field(description="how the metric becomes points")
    min: Number | None = Field(None, description="the fewest points it gives")
    max: Number | None = Field(None, description="the most points it gives")
    requires: list[Condition] = Field(
        default_factory=list, description="conditions on metrics and attributes, else 0 points"
    )
    multiplier: Multiplier | None = Field(None, description="what the points are multiplied with")
    round: CriterionRounding | None = Field(None, description="a rounding of its own")

    def stands_in(self, track: str) -> bool:
        """Whether it counts in a track ("" is the only one of a score without tracks)."""
        return self.track is None or track in self.tracks

    @property
    def tracks(self) -> list[str]:
        """The tracks it names; none where it stands in every one."""
        return [] if self.track is None else [self.track] if isinstance(self.track, str) else self.track


class Track(Part):
    """A kind of partner that is scored by criteria of its own."""

    when: Condition | None = Field(None, description="who belongs to it, by metrics and attributes; none: everybody")


class Score(Part):
    """How criteria become a total."""

    combine: Literal["weighted", "points"] = Field(description="weighted (0 to 100) or points (plain sum)")
    dimensions: dict[Name, PositiveShare] | None = Field(None, description="weights that add up to 1 (weighted only)")
    tracks: dict[Name, Track] | None = Field(None, min_length=1, description="track -> who belongs to it")
    choose: Literal["first_match", "best"] = Field(
        "first_match", description="of several tracks that fit: the first, or the one with the best result"
    )
    criteria: list[Criterion] = Field(min_length=1)
    missing: dict[Name, Missing] = Field(
        default_factory=dict, description="what an unknown value does: `default`, or a criterion or metric by name"
    )


class Level(Part):
    """One step of a ladder."""

    level: Name = Field(description="the level's name")
    enter: Condition | None = Field(None, description="who earns it")
    capacity: Count | None = Field(None, description="how many partners fit, the best by total score first")
    outside: YesNo = Field(False, description="true: not in the programme")


class MaxSteps(Part):
    """The most levels a partner moves in one review."""

    up: Count | None = None
    down: Count | None = None


class Buffered(Part):
    """Movement that does not follow every wobble of the score."""

    buffer: AtLeastZero = Field(Decimal(0), description="score points: up needs bar + buffer, down needs bar - buffer")
    promote_after: Count = Field(1, le=98, description="reviews in a row above before moving up")
    demote_after: Count = Field(1, le=98, description="reviews in a row below before moving down")
    max_steps: MaxSteps = Field(default_factory=lambda: MaxSteps.model_validate({}))
    new_partner_grace: Lag = Field(0, description="reviews after entering in which nobody falls")
    hold_until: Literal["none", "anniversary", "policy_year"] = Field(
        "none", description="falls wait: none, until the anniversary of the level, or until the policy year ends"
    )
    freeze: YesNo = Field(True, description="true: nobody falls for a value that is unknown or in doubt")


def _movement_form(data: Any) -> str:
    return "<rules>" if isinstance(data, dict | Buffered) else "<word>"


Movement = Annotated[
    Union[Annotated[Literal["none"], Tag("<word>")], Annotated[Buffered, Tag("<rules>")]],  # noqa: UP007
    Discriminator(_movement_form),
]


class Guardrails(Part):
    """Limits that question or refuse a release; they never change a level."""

    max_share: dict[Name, Share] = Field(default_factory=dict, description="level -> most of the roster it may hold")
    max_moves_share: Share | None = Field(None, description="most of the roster that may move in one review")
    no_promotion_without: list[Name] = Field(default_factory=list, description="metrics that must be known")


class Ladder(Part):
    """Levels, the best first, and how partners move between them."""

    audience: Literal["internal", "partner"] = Field(description="who may see it: internal or partner")
    gate: Condition | None = Field(None, description="holds for every level but the outside one")
    levels: list[Level] = Field(min_length=2, description="at least two, the best first")
    movement: Movement = Field("none", description="none, or rules such as buffer, demote_after, max_steps")
    guardrails: Guardrails = Field(default_factory=lambda: Guardrails.model_validate({}))


class Capacity(Part):
    """The hours there are for partners."""

    partner_managers: Count
    hours_per_week: AtLeastZero
    weeks: AtLeastZero
    utilisation: Share


def _fact(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise complaint("a number, or a text for an attribute")
    return Decimal(str(value)) if not isinstance(value, str) else value


Fact = Annotated[Decimal | str, BeforeValidator(_fact), WithJsonSchema({"type": ["number", "string"]})]


class Example(Part):
    """A worked example that the rules must agree with."""

    facts: dict[Name, Fact] = Field(description="metric or attribute -> value; what is left out is unknown")
    expect: dict[Name, Name] = Field(min_length=1, description="ladder -> level")


def _benefit(value: Any) -> Any:
    if value is None or (isinstance(value, list) and not all(isinstance(item, str) for item in value)):
        raise complaint("a text, a number, true or false, a list of texts, or a mapping of these")
    if isinstance(value, dict):
        for key, inner in value.items():
            _name_of_benefit(key)
            _benefit(inner)
    return value


def _name_of_benefit(key: Any) -> None:
    if not isinstance(key, str) or not key.strip():
        raise complaint(f"benefits to have names, found {key!r}")


Benefit = Annotated[
    Any,
    BeforeValidator(_benefit),
    WithJsonSchema({"type": ["string", "number", "boolean", "array", "object"]}),
]


class PolicyDocument(Part):
    """A partner programme: what counts, how much, and what it leads to."""

    policy: PolicyName = Field(description="the programme's name")
    version: Version = Field(description="this version of it, in quotes")
    effective_from: Day = Field(description="the day from which it decides")
    owner: Text | None = Field(None, description="who answers for it")
    source: Text | None = Field(None, description="where the rules come from")
    attribution: Attribution = Field("primary", description="primary, equal, or role_weighted with weights")
    window: Window = Field(description="the quarters every metric looks back on")
    windows: dict[Name, MetricWindow] = Field(default_factory=dict, description="metric -> a window of its own")
    rounding: Rounding = Field(default_factory=lambda: Rounding.model_validate({}))
    declares: dict[Name, Declared] = Field(
        default_factory=dict, description="metrics of the programme's own, counted from facts"
    )
    derived: dict[Name, Derived] = Field(
        default_factory=dict, description="metrics made of metrics, each of earlier ones only"
    )
    score: Score | None = None
    ladders: dict[Name, Ladder] = Field(min_length=1)
    entitlements: dict[Text, dict[Text, Benefit]] = Field(
        default_factory=dict, description="ladder.level -> what partners on it get"
    )
    capacity: Capacity | None = None
    examples: list[Example] = Field(default_factory=list)

    @property
    def span(self) -> Span:
        """The window every metric has that says nothing else."""
        return Span(self.window.length, self.window.complete)

    def span_of(self, metric: str) -> Span:
        """What a catalogue or declared metric looks through, or a derived one that reads such a metric again."""
        if metric in self.derived:
            again = self.derived[metric]
            return narrowed(self.span_of(again.metric or ""), again.window, again.lag)
        span = self.span
        if metric in self.declares:
            span = narrowed(span, self.declares[metric].window, self.declares[metric].lag)
        own = self.windows.get(metric)
        return narrowed(span, own, own.lag) if own else span


__all__ = ["FULL_POINTS", "Bar", "Criterion", "Ladder", "Level", "PolicyDocument", "Score", "Track"]

"""The methodology page of a policy: what counts, how much and what it leads to, in Markdown, from the policy itself.

Two editions. `internal` says everything. `partner` is what partners may read: ladders made for them and the score where
those ladders look at it; no hours, no guardrails, and no text that names an internal ladder or one of its levels.
The same policy gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Literal

from pipelines.catalogue import SYSTEMS, catalogue
from pipelines.errors import PolicyError
from pipelines.explanation import looks_at_score
from pipelines.policy.bands import Step, leaves_gaps
from pipelines.policy.capacity import HOURS, balance_when_full
from pipelines.policy.conditions import (
    UNROUNDED_DIGITS,
    AllOf,
    AnyOf,
    AtLeastOf,
    Atom,
    Bar,
    Interval,
    atom,
    children,
    plain,
    walk,
)
from pipelines.policy.declared import Declared, Derived, Span
from pipelines.policy.model import Buffered, Criterion, Guardrails, Ladder, Level, PolicyDocument, RoleWeights, Score
from pipelines.policy.rows import (
    bands_of,
    bars_of,
    bars_of_score,
    dimension_weights,
    flat_benefits,
    missing_rule,
    points_limits,
    tracks_of,
    used_metrics,
)

Edition = Literal["internal", "partner"]

_SCORE_KINDS = ("score", "dimension", "points")
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def policy_page(document: PolicyDocument, edition: Edition = "internal") -> str:
    """The page of one policy version, which must be a checked one (`read_policy`).

    Raises:
        PolicyError: the partner edition of a policy without any ladder for partners.
    """
    return _Page(document, edition).text()


class _Page:
    """One page in the making: what of the policy it speaks of, and its sections."""

    def __init__(self, document: PolicyDocument, edition: Edition) -> None:
        self.document, self.edition = document, edition
        self.is_internal = edition == "internal"
        self.ladders = {
            name: ladder
            for name, ladder in document.ladders.items()
            if self.is_internal or ladder.audience == "partner"
        }
        if not self.ladders:
            raise PolicyError(
                f"policy {document.policy}@{document.version} has no ladder with audience partner, so there is nothing "
                "to tell partners",
                next_step="`--edition internal` writes the whole page",
            )
        rests_on_score = any(looks_at_score(name, ladder) for name, ladder in self.ladders.items())
        self.score = document.score if self.is_internal or rests_on_score else None
        self.hidden = _hidden_names(document) if not self.is_internal else None

    def text(self) -> str:
        sections = [
            self._head(),
            self._metrics(),
            *([self._points(self.score), self._total(self.score)] if self.score else []),
            *(self._ladder(name, ladder) for name, ladder in self.ladders.items()),
            self._hours(),
            self._exceptions(),
            self._examples(),
        ]
        lines = [line for section in sections if section for line in [*section, ""]]
        return "\n".join(lines).rstrip("\n") + "\n"

    def _said(self, text: str | None) -> str | None:
        """Free text as it may stand on this page: not at all where it names what partners do not see."""
        if text is None or (self.hidden is not None and self.hidden.search(text)):
            return None
        return " ".join(text.split())

    # --- head

    def _head(self) -> list[str]:
        document = self.document
        lines = [f"# {document.policy}, version {document.version}", ""]
        facts = [("In force from", document.effective_from.isoformat())]
        facts += [
            (what, said)
            for what, text in (("Owner", document.owner), ("Source", document.source))
            if (said := self._said(text))
        ]
        facts.append(("Edition", "internal, not for partners" if self.is_internal else "for partners"))
        lines += [f"- {what}: {_cell(said)}" for what, said in facts]
        lines += [
            "",
            "This page is written from the policy file: it says what the rules do. A review takes place at the end of "
            "every fiscal quarter, and every partner is judged by the version in force on the quarter's last day.",
        ]
        columns = ["ladder", "levels, best first", *(["for"] if self.is_internal else [])]
        rows = [
            [
                f"`{name}`",
                " > ".join(level.level + (" (outside)" if level.outside else "") for level in ladder.levels),
                *(["partners" if ladder.audience == "partner" else "internal use"] if self.is_internal else []),
            ]
            for name, ladder in self.ladders.items()
        ]
        return [*lines, "", *_table(columns, rows)]

    # --- metrics

    def _names(self) -> list[str]:
        """The metrics this page speaks of, and what they are made of, in the order of the catalogue and the file."""
        document = self.document
        if self.is_internal:
            asked = {name for _, name in used_metrics(document)} | set(document.declares) | set(document.derived)
        else:
            asked = set(self._mentioned())
        while (
            more := {
                part for name in asked if name in document.derived for _, part in document.derived[name].mentions()
            }
            - asked
        ):
            asked |= more
        known = [*catalogue(), *document.declares, *document.derived]
        return sorted(asked, key=lambda name: (known.index(name) if name in known else len(known), name))

    def _mentioned(self) -> Iterator[str]:
        if self.score:
            for criterion in self.score.criteria:
                yield criterion.metric
                if criterion.multiplier:
                    yield criterion.multiplier.metric
        bars = [bar for _, bar in bars_of_score(self.score)]
        bars += [bar for name, ladder in self.ladders.items() for _, bar in bars_of(name, ladder)]
        for bar in bars:
            found = atom(bar)
            if found.kind in ("metric", "top_share"):
                yield found.subject
            if found.of:
                yield found.of.subject

    def _metrics(self) -> list[str]:
        document, names = self.document, self._names()
        if not names:
            return []
        lead = [_sentence(f"Metrics look at {_span(document.span)}"), "Where one looks elsewhere, its line says so."]
        if any("crm" in catalogue()[name].sources for name in names if name in catalogue()):
            lead.append(self._attribution())
        lines = ["## What is looked at", "", " ".join(lead)]
        rows = [[f"`{name}`", *self._metric(name)] for name in names]
        lines += ["", *_table(["metric", "what it is", "window", "better"], rows)]
        lines += [
            "",
            "A value is known or unknown. A source that cannot know something never makes it zero, and **an unknown "
            "value passes no condition**.",
        ]
        return lines

    def _attribution(self) -> str:
        attribution = self.document.attribution
        if isinstance(attribution, RoleWeights):
            weights = ", ".join(f"{role} {plain(weight)}" for role, weight in attribution.weights.items())
            return (
                f"A deal's amount is split among its partners by what each did ({weights}); where all of these are 0, "
                "in equal parts."
            )
        return _ATTRIBUTIONS[attribution]

    def _metric(self, name: str) -> list[str]:
        """What a metric is, its window and the better direction; the window only where it is not the policy's."""
        document = self.document
        derived, declared = document.derived.get(name), document.declares.get(name)
        again = derived.metric if derived else None
        source = again or name
        direction: str
        if derived and again is None:
            return [self._derived(derived), "as its parts", _DIRECTIONS[derived.direction or "higher"]]
        span = document.span_of(name)
        window = "" if span == document.span else _span(span)
        if source in document.declares:
            declared = document.declares[source]
            what = self._declared(declared.facts or source, declared)
            direction = (derived.direction if derived else None) or declared.direction
        else:
            found = catalogue()[source]
            what = self._said(found.definition) or "a metric of the catalogue"
            systems = [SYSTEMS[kind] for kind in found.sources if kind in SYSTEMS]
            what += f" ({found.unit}" + (f"; known to {' with '.join(systems)})" if systems else ")")
            direction = (derived.direction if derived else None) or found.direction
            if found.sources[0] == "account_mapping" or _STANDING.search(found.definition):
                window = "the quarter's last day" + (f", {_count(span.lag, 'quarter')} earlier" if span.lag else "")
        if again:
            what = f"`{again}` through a window of its own"
            described = self._said(derived.description if derived else None)
            what = f"{described}: {what}" if described else what
        return [what, window, _DIRECTIONS[direction]]

    def _declared(self, facts: str, declared: Declared) -> str:
        counted = declared.counted
        of = {"value": "the values", "subject": "the subjects"}.get(counted, f"`{counted}`")
        verb = {
            "sum": f"the sum of {of}",
            "last": f"the newest of {of}",
            "max": f"the largest of {of}",
            "min": f"the smallest of {of}",
            "median": f"the median of {of}",
            "count": "the number",
            "count_distinct": "the number of different "
            + {"value": "values", "subject": "subjects"}.get(counted, f"`{counted}`"),
        }[declared.aggregate]
        filters = [
            f"`{key}` is {_operator(wanted.operator)} {plain(wanted.value)}"
            if isinstance(wanted, Bar)
            else f"`{key}` is {_or(wanted)}"
            for key, wanted in declared.where.items()
        ]
        where = f" where {_and(filters)}" if filters else ""
        absent = "a partner without any such fact has 0" if declared.absent == "zero" else "unknown without any fact"
        described = self._said(declared.description)
        unit = self._said(declared.unit)
        what = f"{verb} of the facts `{facts}`{where}; {absent}" + (f" ({unit})" if unit else "")
        return f"{described}: {what}" if described else what

    def _derived(self, derived: Derived) -> str:
        parts = [f"`{part}`" if isinstance(part, str) else plain(part) for part in derived.operands]
        made = {
            "ratio": f"{parts[0]} divided by {parts[-1]}",
            "sum": " + ".join(parts),
            "difference": " - ".join(parts),
            "product": " x ".join(parts),
            "min": f"the smallest of {_and(parts)}",
            "max": f"the largest of {_and(parts)}",
            "floor": f"{parts[0]} rounded down to a whole number",
        }[derived.operation]
        if derived.round is not None:
            made += f"; rounded to {_count(derived.round, 'decimal')}"
        unknown = "unknown parts are left out" if derived.skip_unknown else "unknown where a part is"
        if derived.operation == "ratio":
            unknown = f"unknown where a part is, or where {parts[-1]} is 0"
        described, unit = self._said(derived.description), self._said(derived.unit)
        what = f"{made}; {unknown}" + (f" ({unit})" if unit else "")
        return f"{described}: {what}" if described else what

    # --- points

    def _points(self, score: Score) -> list[str]:
        lines = ["## How points come about", ""]
        if score.combine == "weighted":
            lines.append(
                "Every criterion gives 0 to 100 points, or up to a maximum of its own. Points are multiplied with the "
                "criterion's weight within its dimension and the weight of the dimension."
            )
        else:
            lines.append("Every criterion gives points, and the total is their sum.")
        lines += self._tracks(score)
        weights = dimension_weights(score)
        grouped: dict[str | None, list[Criterion]] = {name: [] for name in weights}
        for criterion in score.criteria:
            grouped.setdefault(criterion.dimension, []).append(criterion)
        for dimension, criteria in grouped.items():
            weight = weights.get(dimension) if dimension else None
            if dimension:
                lines += ["", f"### `{dimension}`" + (f": {_percent(weight)} of the total" if weight else "")]
            elif len(grouped) > 1:
                lines += ["", "### Without a dimension"]
            for criterion in criteria:
                lines += ["", *self._criterion(score, criterion, weight)]
        return lines

    def _tracks(self, score: Score) -> list[str]:
        if not score.tracks:
            return []
        lines = ["", "Partners are scored in tracks, each with criteria of its own:", ""]
        for name, track in tracks_of(score).items():
            if track is None or track.when is None:
                is_rest = score.choose == "first_match" and name != next(iter(score.tracks))
                lines.append(f"- **{name}**: every partner" + (" left" if is_rest else ""))
            else:
                lines += _bullets(f"**{name}**: ", track.when)
        if score.choose == "best":
            # Where a ladder is hidden, the order of the others alone would not be the whole truth.
            order = [f"`{name}`" for name in self.ladders] if len(self.ladders) == len(self.document.ladders) else []
            lines += [
                "",
                "A partner is scored and judged in every track that fits. What counts is the one with the best level"
                + (f" ({' before '.join(order)})" if len(order) > 1 else "")
                + ", then with the highest total, then the first in this list.",
            ]
        else:
            lines += ["", "A partner belongs to the first track that fits."]
        lines[-1] += " Who fits none has no score."
        return lines

    def _criterion(self, score: Score, criterion: Criterion, dimension_weight: Decimal | None) -> list[str]:
        low, high = points_limits(score, criterion)
        head = f"**{criterion.id}**" + ("" if criterion.id == criterion.metric else f", by `{criterion.metric}`")
        if criterion.weight is not None and dimension_weight is not None:
            head += (
                f": {_percent(criterion.weight)} of the dimension, {_percent(criterion.weight * dimension_weight)} of "
                "the total"
            )
        if criterion.tracks:
            head += f" (in {_and(criterion.tracks)} only)"
        bands = bands_of(criterion)
        told = [*self._raw(score, criterion, high)]
        lines = [f"{head}.", ""]
        for line in told:
            lines.append(f"- {line}")
        if "points" in bands:
            lines += ["", *_bands_table(bands["points"], "points"), ""]
        after = []
        if criterion.multiplier:
            metric = f"`{criterion.multiplier.metric}`"
            by = f"with a factor by {metric}" if "multiplier" in bands else f"with {metric}"
            after.append(f"These points are multiplied {by}; where {metric} is unknown, the criterion is, too.")
            if "multiplier" in bands:
                lines += [f"- {line}" for line in after]
                lines += ["", *_bands_table(bands["multiplier"], "factor"), ""]
                after = []
                if leaves_gaps(bands["multiplier"]):
                    after.append("Elsewhere the factor is 1.")
        after += self._limits(score, criterion, low, high)
        after += [f"0 points unless this holds: {_words(asked)}." for asked in criterion.requires]
        rule = missing_rule(score, criterion)
        if rule != _default_rule(score):
            after.append(f"Unknown: {_MISSING[rule]}.")
        if criterion.round:
            after.append(f"Rounded {_rounding(criterion.round.digits, criterion.round.mode)}.")
        return [*lines, *(f"- {line}" for line in after)]

    def _raw(self, score: Score, criterion: Criterion, high: Decimal | None) -> Iterator[str]:
        points, full = criterion.points, plain(Decimal(100) if high is None else high)
        if points.range:
            less, more = ("less", "more") if points.range.low < points.range.high else ("more", "less")
            yield (
                f"0 points at {plain(points.range.low)} or {less}, {full} at {plain(points.range.high)} or {more}, in "
                "proportion between."
            )
        elif points.per_unit:
            unit = "full unit" if points.per_unit.whole_units else "unit"
            yield f"{_count(points.per_unit.each, 'point')} for each {unit}."
        elif points.percentile:
            peers = [*points.percentile.within, *(["track"] if score.tracks else [])]
            among = f"partners of the same {' and '.join(peers)}" if peers else "all partners"
            yield (
                f"0 to {full} points by the place among {among}: {full} times the share of the others it does better "
                "than."
            )
            shrink = plain(points.percentile.shrink)
            if points.percentile.shrink and points.percentile.within:
                yield (
                    f"A small group says little, so the share among all partners is mixed in: in a group of n it "
                    f"counts {shrink} / (n + {shrink}), the share in the group n / (n + {shrink})."
                )
        elif points.flag_points is not None:
            yield f"{_count(points.flag_points, 'point')} where the value is above 0, else none."
        else:
            rest = "; a value in no band gives 0 points" if leaves_gaps(bands_of(criterion)["points"]) else ""
            yield f"Points by bands of the value{rest}."

    def _limits(self, score: Score, criterion: Criterion, low: Decimal | None, high: Decimal | None) -> Iterator[str]:
        kind = criterion.points.kind
        is_scaled = kind in ("range", "percentile") and not criterion.multiplier
        said = []
        if low is not None and criterion.min is not None:
            said.append(f"never fewer than {_count(low, 'point')}")
        if high is not None and not is_scaled:
            said.append(f"never more than {_count(high, 'point')}; what is beyond is lost to the cap")
        if said:
            yield _sentence(", ".join(said))

    # --- total

    def _total(self, score: Score) -> list[str]:
        document = self.document
        lines = ["## How the total comes about", ""]
        rounding = document.rounding
        digits = _rounding(rounding.digits, rounding.mode)
        if rounding.per == "criterion":
            lines.append(f"- Points are rounded {digits}, and so are sums.")
        else:
            lines.append(f"- Points are not rounded, only sums: {digits}.")
        lines.append(
            "- Running sums are rounded, and a contribution is the difference of two of them, so that contributions "
            "add up to the total exactly."
        )
        default = _default_rule(score)
        lines.append(f"- A criterion whose value is unknown: {_MISSING[default]}, unless it says otherwise above.")
        rules = {missing_rule(score, criterion) for criterion in score.criteria}
        if score.combine == "weighted" and "renormalise" in rules:
            lines.append("- A dimension without any known criterion is left out, too, and the others share its weight.")
        if score.combine == "weighted":
            lines.append(
                "- The share of the weight that rests on known values is published with every score as its evidence "
                "share."
            )
        return lines

    # --- ladders

    def _ladder(self, name: str, ladder: Ladder) -> list[str]:
        lines = [f"## Ladder `{name}`", ""]
        if self.is_internal and ladder.audience == "internal":
            lines += ["For internal use: partners never see it.", ""]
        if ladder.gate is not None:
            outside = next((level.level for level in ladder.levels if level.outside), None)
            lines += [*_bullets("Every level but " + (outside or "the last") + " needs: ", ladder.gate), ""]
        lines += ["Levels are tested from the top; a partner earns the first one whose conditions hold.", ""]
        for level in ladder.levels:
            lines += self._level(level)
        lines += self._relative(name, ladder)
        lines += ["", "### How partners move", "", *(f"- {line}" for line in self._movement(name, ladder))]
        lines += self._buffered(ladder)
        lines += self._benefits(name, ladder)
        if self.is_internal:
            lines += self._guardrails(ladder.guardrails)
        return lines

    def _level(self, level: Level) -> list[str]:
        places = f" ({_count(level.capacity, 'place')})" if level.capacity is not None else ""
        head = f"**{level.level}**{places}: "
        if level.outside:
            return [f"- {head}everybody else; not in the programme."]
        if level.enter is None:
            return [f"- {head}everybody else."]
        return _bullets(head, level.enter)

    def _relative(self, name: str, ladder: Ladder) -> list[str]:
        lines = []
        if any(level.capacity is not None for level in ladder.levels):
            lines += [
                "",
                "Where more partners earn a level than it has places, those with the highest total stay (ties by "
                "partner number) and the others are tested for the next level.",
            ]
        if any(atom(bar).kind == "top_share" for _, bar in bars_of(name, ladder)):
            lines += [
                "",
                "A share of the first partners is counted among everyone with a known value, the largest first; it is "
                "rounded up to whole partners, and shares of lower levels include those above.",
            ]
        return lines

    def _movement(self, name: str, ladder: Ladder) -> Iterator[str]:
        rules = ladder.movement
        outside = next((level.level for level in ladder.levels if level.outside), None)
        if not isinstance(rules, Buffered):
            yield "The level held is the level earned, at every review."
            return
        yield "A partner enters at the level it earns in its first review" + (
            f", and again after it was {outside}." if outside else "."
        )
        if rules.buffer:
            size = plain(rules.buffer)
            yield (
                f"To rise, conditions on scores must be passed with {size} points to spare; to fall, they must be "
                f"missed by more than {size} points. Other conditions have no buffer."
            )
        steps = rules.max_steps
        up = f", by at most {_count(steps.up, 'level')}" if steps.up else ""
        down = f", by at most {_count(steps.down, 'level')}" if steps.down else ""
        if rules.promote_after == 1:
            yield f"Up: one review above the level held is enough{up}."
        else:
            yield f"Up: after {_word(rules.promote_after)} reviews in a row above the level held{up}."
        if rules.demote_after == 1:
            yield f"Down: one review below the level held is enough{down}."
        else:
            yield f"Down: after {_word(rules.demote_after)} reviews in a row below{down}; until then on watch."
        if rules.new_partner_grace:
            yield f"New partners do not fall in the {_first(rules.new_partner_grace)} after entering."
        if rules.hold_until == "anniversary":
            yield "Nobody falls before the level has been held for a year, and after that only on its anniversaries."
        elif rules.hold_until == "policy_year":
            yield "Nobody falls before the last review of the fiscal year."
        if rules.freeze:
            yield (
                "Nobody falls for what is unknown: where a level hangs on a value that is unknown or on a source that "
                "is out of date, it is frozen for that review."
            )
        else:
            yield "An unknown value can cost a level: it passes no condition, and nothing is frozen."
        if outside:
            yield (
                f"Who keeps no level leaves the programme ({outside})"
                + (f" after {_word(rules.demote_after)} reviews in a row" if rules.demote_after > 1 else "")
                + ("; the limit of levels per review does not apply." if steps.down else ".")
            )

    def _buffered(self, ladder: Ladder) -> list[str]:
        """The bars on scores with what a rise and a fall ask for."""
        rules = ladder.movement
        if not isinstance(rules, Buffered) or not rules.buffer:
            return []
        rows: list[list[str]] = []
        for level in ladder.levels:
            asked = [condition for condition in (ladder.gate, level.enter) if condition is not None]
            for found in (atom(bar) for condition in asked for _, bar in walk(condition, ())):
                if found.kind not in _SCORE_KINDS or found.value is None or found.operator == "equals":
                    continue
                sign = 1 if found.operator in ("at_least", "above") else -1
                up, down = found.value + sign * rules.buffer, found.value - sign * rules.buffer
                word = _operator(found.operator)
                row = [level.level, _bar_words(found), f"{word} {plain(up)}", f"{word} {plain(down)}"]
                if row not in rows and not level.outside:
                    rows.append(row)
        return ["", *_table(["level", "condition", "to rise", "to keep"], rows)] if rows else []

    def _benefits(self, name: str, ladder: Ladder) -> list[str]:
        levels = [level.level for level in ladder.levels if f"{name}.{level.level}" in self.document.entitlements]
        given = {level: dict(flat_benefits(self.document.entitlements[f"{name}.{level}"])) for level in levels}
        kinds = [*dict.fromkeys(kind for benefits in given.values() for kind in benefits)]
        rows = []
        for kind in kinds:
            values = [given[level].get(kind, "") for level in levels]
            shown = [self._said(value) or "" if value else "" for value in values]
            is_hidden = not self.is_internal and kind == HOURS
            if not is_hidden and self._said(kind) and (any(shown) or not any(values)):
                rows.append([kind, *shown])
        return ["", "### What each level gets", "", *_table(["", *levels], rows)] if rows else []

    def _guardrails(self, rails: Guardrails) -> list[str]:
        told = [f"More than {_percent(share)} of the roster on {level}." for level, share in rails.max_share.items()]
        if rails.max_moves_share is not None:
            told.append(f"More than {_percent(rails.max_moves_share)} of the roster moving in one review.")
        told += [f"A rise while `{metric}` is unknown." for metric in rails.no_promotion_without]
        if not told:
            return []
        return ["", "### What stops a release", "", "These change no level; they refuse a release:", ""] + [
            f"- {line}" for line in told
        ]

    # --- hours, exceptions, examples

    def _hours(self) -> list[str]:
        document = self.document
        promised = balance_when_full(document)
        if not self.is_internal or (document.capacity is None and not promised.demands and not promised.uncounted):
            return []
        lines = ["## Hours of partner managers", ""]
        if promised.demands:
            rows = [
                [f"{each.ladder}.{each.level}", f"{each.partners:,}", plain(each.hours_each), plain(each.hours)]
                for each in promised.demands
            ]
            lines += [*_table(["level", "places", "hours each, a quarter", "hours"], rows), ""]
        return [*lines, _sentence(promised.text())]

    def _exceptions(self) -> list[str]:
        told = (
            "A signed exception gives one partner one level of one ladder until a stated day. It acts after all rules "
            "of movement and changes none of them: what the rules would give goes on being computed, and when the "
            "exception ends, the partner holds that."
        )
        if self.is_internal:
            told += " It needs a reason and an approver, stands in `exceptions.yml` and changes no approved version."
        return ["## Exceptions", "", told]

    def _examples(self) -> list[str]:
        rows = []
        for example in self.document.examples:
            expected = {name: level for name, level in example.expect.items() if name in self.ladders}
            if not expected:
                continue
            facts = [
                f"`{name}` {plain(value) if isinstance(value, Decimal) else value}"
                for name, value in example.facts.items()
                if self.is_internal or name in self._known_here()
            ]
            rows.append([", ".join(facts) or "nothing known", ", ".join(f"`{n}` {v}" for n, v in expected.items())])
        if not rows:
            return []
        lead = "What is not named is unknown. A policy that contradicts its own examples is refused."
        return ["## Examples", "", lead, "", *_table(["a partner with", "earns"], rows)]

    def _known_here(self) -> set[str]:
        """Metrics and attributes this page speaks of."""
        bars = [bar for name, ladder in self.ladders.items() for _, bar in bars_of(name, ladder)]
        bars += [bar for _, bar in bars_of_score(self.score)]
        return {*self._names(), *(atom(bar).subject for bar in bars if atom(bar).kind == "attribute")}


# --- what partners do not see -----------------------------------------------------------------------------------


def _hidden_names(document: PolicyDocument) -> re.Pattern[str] | None:
    """What no text for partners may say: internal ladders, and their levels that no ladder for partners has."""
    shown = {
        name.casefold()
        for ladder_name, ladder in document.ladders.items()
        if ladder.audience == "partner"
        for name in (ladder_name, *(level.level for level in ladder.levels))
    }
    hidden = [
        name
        for ladder_name, ladder in document.ladders.items()
        if ladder.audience == "internal"
        for name in (ladder_name, *(level.level for level in ladder.levels))
        if name.casefold() not in shown
    ]
    if not hidden:
        return None
    # `self_serve` is also self-serve and self serve, and a plural names it too.
    spelled = "|".join(re.escape(name).replace("_", "[ _-]") for name in hidden)
    return re.compile(rf"\b(?:{spelled})s?\b", re.IGNORECASE)


# --- words ------------------------------------------------------------------------------------------------------

_DIRECTIONS = {"higher": "more", "lower": "less"}
# Metrics that are what is true on one day look through no window.
_STANDING = re.compile(r"quarter's (?:last day|end)")
_MISSING = {
    "renormalise": "left out, and the others share its weight",
    "zero": "counts as 0 points",
    "block": "no total at all",
}
_ATTRIBUTIONS = {
    "primary": (
        "A deal of several partners counts for one of them: the one marked primary, else the one with the strongest "
        "role."
    ),
    "equal": "A deal's amount is split among its partners in equal parts.",
}


def _default_rule(score: Score) -> str:
    return score.missing.get("default", "renormalise" if score.combine == "weighted" else "zero")


def _span(span: Span) -> str:
    """A window in words."""
    if span.months is None:
        said = "everything up to the quarter's end"
    elif span.quarters == 1:
        said = "the quarter alone"
    elif span.quarters is not None:
        said = f"the quarter and the {_word(span.quarters - 1)} before it"
        if span.quarters == 2:
            said = "the quarter and the one before it"
    else:
        said = f"the {span.months} months up to the quarter's end"
    if span.lag:
        said += f", as of {_count(span.lag, 'quarter')} earlier"
    if span.complete:
        said += "; unknown before that much history is there"
    return said


def _operator(operator: str) -> str:
    return {"at_least": "at least", "above": "above", "at_most": "at most", "below": "below"}.get(operator, "exactly")


def _bar_words(bar: Atom) -> str:
    """One condition, with names of metrics as code."""
    if bar.kind == "attribute":
        return f"`{bar.subject}` is {_or(bar.texts)}"
    if bar.kind == "top_share":
        assert bar.value is not None
        said = f"among the first {_percent(bar.value)} by `{bar.subject}`"
        if bar.of:
            said += f" of the partners with {_bar_words(bar.of)}"
        if bar.round_digits is not None and bar.round_digits != UNROUNDED_DIGITS:
            said += f", rounded to {_count(bar.round_digits, 'decimal')} first"
        if bar.within:
            said += f", within the same {' and '.join(bar.within)}"
        return f"{said} (ties by {(bar.ties or 'partner_number').replace('_', ' ')})"
    subject = {
        "score": "total score",
        "dimension": f"score of `{bar.subject}`",
        "points": f"points of `{bar.subject}`",
    }.get(bar.kind, f"`{bar.subject}`")
    return f"{subject} {_operator(bar.operator)} {plain(bar.value)}"


def _words(condition: Any) -> str:
    """A condition in one line."""
    inside = [child for _, child in children(condition)]
    if not inside:
        return _bar_words(atom(condition))
    parts = [f"({_words(child)})" if children(child) else _words(child) for child in inside]
    if isinstance(condition, AtLeastOf):
        return f"at least {_word(condition.at_least.n)} of: {', '.join(parts)}"
    return (" and " if isinstance(condition, AllOf) else " or ").join(parts)


def _bullets(head: str, condition: Any, depth: int = 0) -> list[str]:
    """A condition as a list, nested as it is written; a single one stays in its line."""
    inside = [child for _, child in children(condition)]
    start = "  " * depth + "- "
    if not inside:
        return [f"{start}{head}{_bar_words(atom(condition))}"]
    how = "all of these"
    if isinstance(condition, AnyOf):
        how = "one of these"
    elif isinstance(condition, AtLeastOf):
        how = f"at least {_word(condition.at_least.n)} of these"
    return [f"{start}{head}{how}", *(line for child in inside for line in _bullets("", child, depth + 1))]


def _bands_table(steps: Sequence[Step], worth: str) -> list[str]:
    return _table(["value", worth], [[_interval(step.interval), plain(step.worth)] for step in steps])


def _interval(interval: Interval) -> str:
    low, high = plain(interval.low), plain(interval.high)
    if interval.low is None and interval.high is None:
        return "any"
    if interval.low is None:
        return f"below {high}" if interval.is_high_open else f"{high} or less"
    if interval.high is None:
        return f"above {low}" if interval.is_low_open else f"{low} or more"
    if interval.low == interval.high:
        return f"exactly {low}"
    begin = f"above {low}" if interval.is_low_open else low
    return f"{begin} to below {high}" if interval.is_high_open else f"{begin} to {high}"


def _rounding(digits: int | None, mode: str | None) -> str:
    how = {"half_up": "half up", "down": "toward 0", "up": "away from 0"}
    said = [f"to {_count(digits, 'decimal')}"] if digits is not None else []
    return ", ".join([*said, *([how[mode]] if mode else [])])


def _percent(share: Decimal | None) -> str:
    return f"{plain(Decimal(share or 0) * 100)} %"


def _count(number: Decimal | int | None, what: str) -> str:
    return f"{plain(number)} {what}{'' if number == 1 else 's'}"


def _word(number: int) -> str:
    return _NUMBERS[number] if 0 <= number < len(_NUMBERS) else f"{number:,}"


def _first(reviews: int) -> str:
    return "first review" if reviews == 1 else f"first {_word(reviews)} reviews"


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _or(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} or {parts[-1]}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith(".") else ".")


def _cell(text: str) -> str:
    """Text that can stand in a table or a list without becoming markup."""
    return re.sub(r"\s+", " ", text).replace("|", "\\|").replace("<", "&lt;")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return [*lines, *(f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows)]

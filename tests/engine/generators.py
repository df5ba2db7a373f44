"""Random companies, and random policies that make sense of them: every kind of points, metric, condition and movement.

Everything follows from the seed. Bars are taken from the values that partners have, so that many of them stand exactly
on an edge.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

from engine.reference import Company, Data, Fact, Metrics, Partner, Programme, Quarter, months_before

EPSILON = Decimal("0.000001")
REGIONS = ("emea", "apac", "americas")
COUNTRIES = ("DE", "FR", "JP", "US", "BR")
GRADES = ("basic", "expert", "3")
FACTS = ("badge", "sale", "seat")
LOWER_IS_BETTER = frozenset({"sales_cycle_days"})


def _amount(chance: random.Random) -> Decimal:
    return Decimal(chance.choice([0, 0, 250, 1000, 2500, chance.randint(1, 19_999)])) / chance.choice([1, 1, 100])


def _count(chance: random.Random) -> Decimal:
    return Decimal(chance.choice([0, 0, 1, 2, 3, chance.randint(0, 40)]))


def _share(chance: random.Random) -> Decimal:
    above = chance.randint(1, 12)
    return decimal_of(Fraction(chance.randint(0, above), above))


def _days(chance: random.Random) -> Decimal:
    return Decimal(chance.randint(1, 120))


def _growth(chance: random.Random) -> Decimal:
    return Decimal(chance.randint(-1_000_000, 3_000_000)) / 1_000_000


CATALOGUE: dict[str, Callable[[random.Random], Decimal]] = {
    "sourced_won_amount": _amount,
    "sourced_pipeline_amount": _amount,
    "won_deals": _count,
    "certified_people": _count,
    "win_rate": _share,
    "csat_average": _share,
    "sales_cycle_days": _days,
    "growth_rate": _growth,
}
"""Metrics of the catalogue that random policies use, and what values they have."""
SMALL = ["won_deals", "certified_people", "win_rate", "csat_average", "growth_rate"]


def decimal_of(number: Fraction) -> Decimal:
    """The nearest number of six decimals."""
    return Decimal(round(number * 1_000_000)) / 1_000_000


# --- companies --------------------------------------------------------------------------------------------------


def quarters_of(count: int, first_month: int = 1, first_year: int = 2023) -> dict[int, Quarter]:
    """So many fiscal quarters, numbered from 1, of a year that begins with a month and is named by where it ends."""
    made = {}
    for index in range(1, count + 1):
        months = first_year * 12 + first_month - 1 + 3 * index
        until = date(months // 12, months % 12 + 1, 1)
        years, into_year = divmod(index - 1, 4)
        named = first_year + years + (first_month > 1)
        made[index] = Quarter(f"{named}Q{into_year + 1}", until - timedelta(days=1))
    return made


def random_company(seed: int, partners: int, quarters: int = 5) -> Company:
    """Partners with dated facts, some of which stand on the first or last day of a window. Values of the catalogue are
    added by `fill`."""
    chance = random.Random(seed)
    calendar = quarters_of(quarters, chance.choice([1, 2, 7]))
    start = chance.choice([1, 1, 2])
    numbers = chance.sample(range(10_000, 99_999), partners)
    people = []
    for place, number in enumerate(numbers):
        attributes = {
            name: chance.choice(texts)
            for name, texts in (("region", REGIONS), ("country", COUNTRIES))
            if chance.random() < 0.9
        }
        people.append(Partner(f"id{place:05}", f"P{number}", attributes))
    edges = [
        months_before(quarter.end + timedelta(days=1), months) for quarter in calendar.values() for months in (0, 3)
    ]
    days = [edge - timedelta(days=back) for edge in edges for back in (0, 1)]
    earliest, latest = min(days) - timedelta(days=500), max(days) + timedelta(days=60)
    facts: list[Fact] = []
    for partner in people:
        for metric in FACTS:
            for _ in range(chance.choice([0, 0, 1, 2, 5, 9])):
                day = (
                    chance.choice(days)
                    if chance.random() < 0.5
                    else earliest + timedelta(days=chance.randint(0, (latest - earliest).days))
                )
                attributes = {"grade": chance.choice(GRADES)} if chance.random() < 0.9 else {}
                facts.append(
                    Fact(
                        id=f"{chance.randrange(10**8):08}-{len(facts)}",
                        partner=partner.id,
                        metric=metric,
                        day=day,
                        value=Fraction(chance.choice([_count, _amount, _growth])(chance)),
                        subject=chance.choice(["s1", "s2", "s3", "s4", None]),
                        attributes=attributes,
                    )
                )
    return Company(
        quarters=calendar,
        partners=people,
        start=start,
        standing={partner.id: chance.choice([start, start, start, start + 1, quarters]) for partner in people},
        facts=facts,
        lower_is_better=LOWER_IS_BETTER,
        stale=frozenset((metric, quarter) for metric in CATALOGUE for quarter in calendar if chance.random() < 0.1),
        aside=frozenset(
            (partner.id, metric, chance.choice(list(calendar)))
            for partner in people
            for metric in CATALOGUE
            if chance.random() < 0.05
        ),
    )


def catalogue_uses(policy: Data) -> set[tuple[str, str]]:
    """Every (window id, metric) that a policy may read of the catalogue."""
    metrics = Metrics(policy, Company({}, [], 1))
    again = {name: rule["metric"] for name, rule in policy.get("derived", {}).items() if "metric" in rule}
    named = {**{metric: metric for metric in CATALOGUE}, **again}
    return {
        (metrics.window(name).id(metrics.attribution), source) for name, source in named.items() if source in CATALOGUE
    }


def fill(company: Company, policy: Data, seed: int) -> None:
    """Give the company values of the catalogue in every window of a policy."""
    for window, metric in sorted(catalogue_uses(policy)):
        chance = random.Random(f"{seed}/{window}/{metric}")
        if (window, metric) in company.laid:
            continue
        company.laid.add((window, metric))
        for partner in company.partners:
            for quarter in company.quarters:
                is_known = chance.random() < 0.9
                company.catalogue[window, metric, partner.id, quarter] = (
                    Fraction(CATALOGUE[metric](chance)) if is_known else None
                )


# --- policies ---------------------------------------------------------------------------------------------------


class _Author:
    """Writes one policy, looking at the values that the company's partners have."""

    def __init__(self, seed: int, company: Company) -> None:
        self.chance = random.Random(seed)
        self.seed, self.company = seed, company
        self.policy: Data = {}
        self._pools: dict[str, list[Decimal]] = {}

    def maybe(self, share: float) -> bool:
        return self.chance.random() < share

    def write(self) -> Data:
        chance = self.chance
        calendar = self.company.quarters
        self.policy = {
            "policy": f"policy-{self.seed}",
            "version": "1",
            "effective_from": chance.choice([date(2020, 1, 1), calendar[2].end]),
            "attribution": chance.choice(["primary", "equal"]),
            "window": {
                **chance.choice([{"quarters": 1}, {"quarters": 4}, {"months": 6}]),
                "complete": self.maybe(0.25),
            },
            "windows": {
                metric: chance.choice(
                    [{"quarters": 2}, {"lag": 1}, {"months": 3, "complete": True}, {"complete": False}]
                )
                for metric in chance.sample(sorted(CATALOGUE), 2)
            },
            "rounding": {
                "digits": chance.choice([0, 1, 2, 2, 4]),
                "mode": chance.choice(["half_up", "half_up", "down", "up"]),
                "per": chance.choice(["criterion", "criterion", "total"]),
            },
            "declares": self._declares(),
        }
        for name, rule in self.policy["declares"].items():
            if not rule.keys() & {"window", "lag"} and self.maybe(0.5):
                self.policy["windows"][name] = chance.choice(
                    [{"months": 7}, {"quarters": 2, "lag": 1}, {"complete": True}]
                )
        self.policy["derived"] = self._derived()
        fill(self.company, self.policy, 7)
        self.metrics = [*CATALOGUE, *self.policy["declares"], *self.policy["derived"]]
        if self.maybe(0.9):
            self.policy["score"] = self._score()
        self.policy["ladders"] = {}
        for name in chance.sample(["tier", "segment", "club"], chance.choice([1, 1, 2])):
            self.policy["ladders"][name] = self._ladder()
        return self.policy

    # --- metrics ------------------------------------------------------------------------------------------------

    def _look_back(self) -> Data:
        chance = self.chance
        made: Data = {}
        window = chance.choice(
            [None, 1, 4, {"quarters": 2}, {"months": 5}, {"months": 12, "complete": True}, {"complete": True}, "ever"]
        )
        if window is not None:
            made["window"] = window
        if self.maybe(0.3):
            made["lag"] = chance.choice([0, 1, 2])
        return made

    def _declares(self) -> Data:
        chance = self.chance
        made: Data = {}
        for name in chance.sample(["badge", "seats_held", "sales_made", "experts", "largest"], chance.randint(2, 4)):
            aggregate = chance.choice(["sum", "last", "max", "min", "median", "count", "count_distinct"])
            rule: Data = {"aggregate": aggregate, **self._look_back()}
            if name != "badge":
                rule["facts"] = chance.choice(FACTS)
            if aggregate in ("count", "count_distinct") and self.maybe(0.5):
                rule["of"] = chance.choice(["value", "subject", "grade"])
            where: Data = {}
            if self.maybe(0.3):
                where["grade"] = chance.choice(["expert", ["basic", "expert"], 3, [3, "basic"]])
            if self.maybe(0.2):
                where["value"] = {chance.choice(["at_least", "above", "at_most", "below"]): chance.choice([1, 2, 250])}
            if self.maybe(0.2):
                where["subject"] = ["s1", "s2"]
            if where:
                rule["where"] = where
            if self.maybe(0.3):
                rule["absent"] = "zero"
            if self.maybe(0.2):
                rule["direction"] = "lower"
            made[name] = rule
        return made

    def _derived(self) -> Data:
        chance = self.chance
        made: Data = {}
        for place in range(chance.randint(1, 5)):
            plain = [*CATALOGUE, *self.policy["declares"]]
            if self.maybe(0.25):
                source = chance.choice(plain)
                rule: Data = {"metric": source}
                while not rule.keys() & {"window", "lag"}:
                    rule |= self._look_back()
                if source in CATALOGUE and rule.get("window") in ("ever", {"months": 5}):
                    rule["window"] = {"quarters": 3}
            else:
                operation = chance.choice(["ratio", "sum", "difference", "product", "min", "max", "floor"])
                count = {"ratio": 2, "floor": 1, "product": chance.randint(2, 3)}.get(operation, chance.randint(2, 4))
                # Long products of money would have more digits than a value can hold.
                names = chance.sample(SMALL if operation == "product" else [*plain, *made], count)
                operands: list[Any] = list(names)
                if operation != "floor" and self.maybe(0.4):
                    operands[chance.randrange(count)] = chance.choice([1, 40, Decimal("0.5"), Decimal("-2.25")])
                rule = {operation: operands[0] if operation == "floor" else operands}
                if operation not in ("ratio", "floor") and self.maybe(0.4):
                    rule["skip_unknown"] = True
                if self.maybe(0.2):
                    rule["round"] = chance.choice([0, 1, 3])
            if self.maybe(0.2):
                rule["direction"] = "lower"
            made[f"made{place}"] = rule
        return made

    def pool(self, metric: str) -> list[Decimal]:
        """Known values of a metric, in order; at least two."""
        if metric not in self._pools:
            metrics = Metrics(self.policy, self.company)
            found = {
                metrics.value(metric, partner.id, quarter)
                for quarter in (max(self.company.quarters) - 1, max(self.company.quarters))
                for partner in self.company.partners[:80]
            }
            known = {decimal_of(number) for number in found if number is not None and abs(number) < 10**12}
            self._pools[metric] = sorted(known | ({Decimal(0), Decimal(1)} if len(known) < 2 else set()))
        return self._pools[metric]

    def number(self, metric: str) -> Decimal:
        """A number that divides partners by a metric, most often one that some partner has."""
        return self.chance.choice(self.pool(metric)) + self.chance.choice([Decimal(0), Decimal(0), EPSILON, -EPSILON])

    def simple(self, share: float = 0.2) -> Data:
        """A condition on a metric or an attribute."""
        if self.maybe(share):
            listed = self.chance.sample(REGIONS, self.chance.randint(1, 2))
            return {"attribute": "region", **({"in": listed} if self.maybe(0.5) else {"equals": listed[0]})}
        metric = self.chance.choice(self.metrics)
        comparison = self.chance.choice(["at_least", "above", "at_most", "below", "at_least", "equals"])
        return {"metric": metric, comparison: self.number(metric)}

    def nested(self, depth: int = 2) -> Data:
        """A condition on metrics and attributes, perhaps of several parts."""
        if depth == 0 or self.maybe(0.5):
            return self.simple()
        kind = self.chance.choice(["all", "any", "at_least"])
        inside = [self.nested(depth - 1)]
        while len(inside) < 2 or self.maybe(0.4):
            inside.append(self.simple(0.2 if kind == "any" else 0))  # two regions at once are nobody's
        if kind == "at_least":
            return {"at_least": {"n": self.chance.randint(1, len(inside)), "of": inside}}
        return {kind: inside}

    # --- score --------------------------------------------------------------------------------------------------

    def _score(self) -> Data:
        chance = self.chance
        is_weighted = self.maybe(0.6)
        made: Data = {"combine": "weighted" if is_weighted else "points"}
        tracks: list[str] = []
        if self.maybe(0.45):
            tracks = ["large", "small", "other"][: chance.randint(2, 3)]
            made["tracks"] = {name: {"when": self.nested(1)} for name in tracks}
            if self.maybe(0.6):
                made["tracks"][tracks[-1]] = {}
            if self.maybe(0.5):
                made["choose"] = chance.choice(["best", "best", "first_match"])
        criteria: list[Data] = []
        if is_weighted:
            names = ["performance", "potential", "fit"][: chance.randint(1, 3)]
            made["dimensions"] = dict(zip(names, self.shares(len(names)), strict=True))
            for name in names:
                groups: list[Any] = [None]
                if tracks and self.maybe(0.6):
                    groups = [tracks[0], tracks[1:]] if self.maybe(0.5) else list(tracks)
                for group in groups:
                    for weight in self.shares(chance.randint(1, 3)):
                        criterion = self._criterion(len(criteria), is_weighted)
                        criterion |= {"dimension": name, "weight": weight}
                        criteria.append(criterion | ({"track": group} if group else {}))
        else:
            for place in range(chance.randint(2, 6)):
                criterion = self._criterion(place, is_weighted)
                if self.maybe(0.6):
                    criterion["dimension"] = chance.choice(["performance", "potential"])
                if tracks and place and self.maybe(0.4):
                    criterion["track"] = chance.choice([tracks[0], tracks[:2], tracks[-1]])
                criteria.append(criterion)
        made["criteria"] = chance.sample(criteria, len(criteria))
        rules = ["renormalise", "zero", "block"] if is_weighted else ["zero", "block"]
        missing: Data = {}
        if self.maybe(0.5):
            missing["default"] = rules[0] if self.maybe(0.6) else rules[-1]
        for criterion in criteria:
            if self.maybe(0.25):
                missing[criterion[chance.choice(["id", "metric"])]] = chance.choice(rules)
        if missing:
            made["missing"] = missing
        return made

    def shares(self, count: int) -> list[Decimal]:
        """Weights that add up to 1."""
        cuts = sorted(self.chance.sample(range(1, 20), count - 1))
        edges = [0, *cuts, 20]
        return [Decimal(high - low) / 20 for low, high in pairwise(edges)]

    def _criterion(self, place: int, is_weighted: bool) -> Data:
        chance = self.chance
        metric = chance.choice(self.metrics)
        kind = chance.choice(["range", "per_unit", "percentile", "flag", "bands", "percentile", "bands"])
        made: Data = {"id": f"c{place}", "metric": metric}
        pool = self.pool(metric)
        if kind == "range":
            low, high = chance.sample(pool, 2)
            made["points"] = {"range": {"low": low, "high": high}}
        elif kind == "per_unit":
            each = chance.choice([Decimal("0.01"), Decimal("2.5"), 1, 10, -3])
            made["points"] = {"per_unit": {"each": each, **({"whole_units": True} if self.maybe(0.5) else {})}}
        elif kind == "percentile":
            within = chance.sample(["region", "country"], chance.choice([0, 1, 2]))
            made["points"] = {"percentile": {"within": within, "shrink": chance.choice([0, 5, 20, Decimal("0.5")])}}
        elif kind == "flag":
            points = chance.choice([5, 50, Decimal("12.5")])
            made["points"] = {"flag": points if self.maybe(0.5) else {"points": points}}
        else:
            lowest = 0 if is_weighted else -20
            made["points"] = {"bands": self._bands(metric, "points", lambda: chance.randint(lowest, 100))}
        if self.maybe(0.25):
            made["min"] = chance.choice([0, 5, 10])
        if self.maybe(0.35):
            made["max"] = chance.choice([30, 60, Decimal("99.5")])
        if self.maybe(0.3):
            factor = chance.choice(["win_rate", "certified_people", *self.policy["declares"]])
            made["multiplier"] = {"metric": factor}
            if self.maybe(0.6):
                factors = [0, Decimal("0.5"), 1, Decimal("1.2"), 2]
                made["multiplier"]["bands"] = self._bands(factor, "factor", lambda: chance.choice(factors))
        if self.maybe(0.3):
            made["requires"] = [self.nested(1) for _ in range(chance.randint(1, 2))]
        if self.maybe(0.15):
            made["round"] = chance.choice([{"digits": 0}, {"digits": 1, "mode": "down"}, {"mode": "up"}])
        return made

    def _bands(self, metric: str, gives: str, worth: Callable[[], Any]) -> list[Data]:
        """Bands in one of the ways in which people write them."""
        chance = self.chance
        pool = self.pool(metric)
        edges = sorted(chance.sample(pool, min(len(pool), chance.randint(2, 4))))
        style = chance.choice(["at_least", "falling", "below", "falling_below", "open", "explicit", "gaps"])
        made: list[Data]
        if style in ("at_least", "falling"):
            made = [{"at_least": edge, gives: worth()} for edge in edges]
            if self.maybe(0.5):
                made.insert(0, {gives: worth()})
        elif style in ("below", "falling_below"):
            made = [{"below": edge, gives: worth()} for edge in edges]
            if self.maybe(0.5):
                made.append({gives: worth()})
        elif style == "open":
            made = [{"at_most": edges[0], gives: worth()}]
            made += [{"above": low, "at_most": high, gives: worth()} for low, high in pairwise(edges)]
        else:
            made = [{"at_least": low, "below": high, gives: worth()} for low, high in pairwise(edges)]
            if style == "gaps":
                made = made[::2]
        return made[::-1] if style.startswith("falling") else made

    # --- ladders ------------------------------------------------------------------------------------------------

    def _ladder(self) -> Data:
        chance = self.chance
        count = chance.randint(1, 4)
        has_outside = self.maybe(0.5)
        subjects = self._subjects()
        leaves = [self._leaf(subject, count) for subject in chance.sample(subjects, min(3, len(subjects)))]
        form = chance.choice(["one", "all", "any", "mixed", "at_least", "attribute"])
        levels: list[Data] = []
        for place in range(count):
            one, *others = [leaf[place] for leaf in leaves]
            both = [one, *others]
            enter: Data = one
            if form == "all":
                enter = {"all": both[:2]}
            elif form == "any":
                enter = {"any": both[:2]}
            elif form == "mixed" and len(both) > 2:
                enter = {"any": [{"all": both[:2]}, {"all": [both[0], both[2]]}]}
            elif form == "at_least":
                enter = {"at_least": {"n": min(2, len(both)), "of": both}}
            elif form == "attribute":
                enter = {"all": [one, {"attribute": "region", "in": list(REGIONS[:2])}]}
            level: Data = {"level": f"level{place + 1}", "enter": enter}
            if "score" in self.policy and self.maybe(0.4):
                level["capacity"] = chance.choice([1, 5, 20, 60])
            levels.append(level)
        made: Data = {"audience": chance.choice(["internal", "partner"])}
        if has_outside:
            levels.append({"level": "none", "outside": True})
            if self.maybe(0.5):
                made["gate"] = self.nested(1)
        else:
            levels.append({"level": "registered"})
        made["levels"] = levels
        made["movement"] = self._movement(any(key in json.dumps(levels, default=str) for key in SCORE_KINDS))
        return made

    def _movement(self, has_score: bool) -> Any:
        chance = self.chance
        if self.maybe(0.2):
            return "none"
        made: Data = {
            "promote_after": chance.choice([1, 1, 2]),
            "demote_after": chance.choice([1, 1, 2, 3]),
            "new_partner_grace": chance.choice([0, 0, 1, 2]),
            "hold_until": chance.choice(["none", "none", "anniversary", "policy_year"]),
            "freeze": self.maybe(0.6),
        }
        if has_score and self.maybe(0.7):
            made["buffer"] = chance.choice([Decimal("0.5"), Decimal("2.5"), 4])
        if self.maybe(0.5):
            made["max_steps"] = chance.choice([{"up": 1}, {"down": 1}, {"up": 1, "down": 1}, {"up": 2}])
        return made

    def _subjects(self) -> list[tuple[str, str, list[Decimal]]]:
        """What bars may stand on: (kind, name, numbers that partners have)."""
        made = [("metric", metric, self.pool(metric)) for metric in self.chance.sample(self.metrics, 4)]
        made.append(("top_share", self.chance.choice(self.metrics), []))
        if "score" in self.policy:
            trial = dict(self.policy, ladders={})
            programme = Programme(trial, self.company)
            scored = [one.scored for one in programme.judged(max(self.company.quarters)).values() if one.scored]
            totals = _numbers(one.total for one in scored)
            kinds = [("score", "total", totals)] * 3
            dimensions = {name for one in scored for name in one.dimensions}
            criteria = {name for one in scored for name in one.points}
            for kind, names in (("dimension", sorted(dimensions)), ("points", sorted(criteria))):
                if names:
                    name = self.chance.choice(names)
                    numbers = [(one.dimensions if kind == "dimension" else one.points).get(name) for one in scored]
                    kinds.append((kind, name, _numbers(numbers)))
            made += [kind for kind in kinds if len(kind[2]) > 1]
        self.chance.shuffle(made)
        return list({(kind, name): (kind, name, numbers) for kind, name, numbers in made}.values())

    def _leaf(self, subject: tuple[str, str, list[Decimal]], count: int) -> list[Data]:
        """One bar for each level on one subject, the hardest first."""
        chance = self.chance
        kind, name, pool = subject
        if kind == "top_share":
            top: Data = {"by": name}
            if self.maybe(0.5):
                other = chance.choice(self.metrics)
                top["of"] = {"metric": other, "at_least": self.number(other)}
            if self.maybe(0.3):
                top["within"] = ["region"]
            if self.maybe(0.4):
                top["round"] = chance.choice([0, 2])
            if self.maybe(0.3):
                top["ties"] = "partner_id"
            steps = sorted(chance.sample([5, 10, 12, 20, 33, 50, 70], count))
            return [{"top_share": {"share": Decimal(step) / 100, **top}} for step in steps]
        bars = sorted(chance.sample(pool, min(count, len(pool))))
        while len(bars) < count:
            bars.append(bars[-1] + 1)
        if kind == "metric" and self.maybe(0.25):
            return [{kind: name, chance.choice(["at_most", "at_most", "below"]): bar} for bar in bars]
        comparison = chance.choice(["at_least", "at_least", "above"])
        return [{kind: name, comparison: bar} for bar in reversed(bars)]


SCORE_KINDS = ('"score"', '"dimension"', '"points"')


def _numbers(found: Any) -> list[Decimal]:
    return sorted({decimal_of(number) for number in found if number is not None})


def random_policy(seed: int, company: Company) -> Data:
    """A policy as the data of a YAML file. The company is given the values of the catalogue that it reads."""
    return _Author(seed, company).write()


def policy_text(policy: Data) -> str:
    """A policy as the text of a file."""

    return _flow(policy) + "\n"


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, str) else str(value)

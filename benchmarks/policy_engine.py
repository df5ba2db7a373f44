"""`python -m benchmarks.policy_engine`: one policy, then two and three, beside the same arithmetic written by hand.

Both sides start from the long metric table (partner x quarter x metric). The hand-written side is what somebody would
write who has this one programme and no other: a pivot, one expression per criterion, a fold per ladder; no rows that
explain anything. Totals and held levels of the two are compared row by row, and only different numbers fail: the aims
(3 times the hand-written one, each further policy 0.6 times the first) are printed. Seconds are CPU seconds of this
process, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from datetime import date
from typing import Any

import duckdb

from pipelines.evaluation import DATABASE, Inputs, compiled_engine, lay, run_engine
from pipelines.policy import Policy, read_policy
from pipelines.shape import metric_names
from pipelines.warehouse import memory

AIM_RATIO = 3.0
AIM_FURTHER = 0.6
KINDS = ("range", "per_unit", "percentile", "bands", "flag")
DIMENSIONS = {"performance": "0.5", "potential": "0.3", "fit": "0.2"}
BUFFER = 2.5


class Programme:
    """A programme of `criteria` criteria as a policy file and as SQL by hand; `variant` changes its numbers."""

    def __init__(self, criteria: int, variant: int) -> None:
        self.metrics = metric_names()[:criteria]
        self.variant = variant
        self.dimensions = [list(DIMENSIONS)[index % 3] for index in range(criteria)]

    def low(self, index: int) -> int:
        return 5 + index + self.variant

    def weight(self, index: int) -> str:
        """Equal weights within a dimension, the last one taking what rounding leaves."""
        mine = [i for i, name in enumerate(self.dimensions) if name == self.dimensions[index]]
        share = round(1 / len(mine), 4)
        return f"{share if index != mine[-1] else 1 - share * (len(mine) - 1):.4f}"

    def points(self, index: int) -> str:
        low = self.low(index)
        return {
            "range": f"{{range: {{low: {low}, high: {low + 60}}}}}",
            "per_unit": "{per_unit: {each: 1.5}}",
            "percentile": "{percentile: {within: [region], shrink: 20}}",
            "bands": f"{{bands: [{{below: {low}, points: 0}}, {{below: {low + 30}, points: 40}}, {{points: 90}}]}}",
            "flag": "{flag: {points: 100}}",
        }[KINDS[index % 5]]

    def text(self) -> str:
        """The policy file."""
        criteria = "\n".join(
            f"    - {{id: c{index}, metric: {metric}, dimension: {self.dimensions[index]}, "
            f"weight: {self.weight(index)}, points: {self.points(index)}}}"
            for index, metric in enumerate(self.metrics)
        )
        dimensions = ", ".join(f"{name}: {weight}" for name, weight in DIMENSIONS.items())
        movement = f"{{buffer: {BUFFER}, promote_after: 1, demote_after: 2, max_steps: {{up: 1, down: 1}}}}"
        return f"""policy: bench-{self.variant}
version: "1"
effective_from: 2000-01-01
window: {{quarters: 4}}
score:
  combine: weighted
  dimensions: {{{dimensions}}}
  criteria:
{criteria}
ladders:
  segment:
    audience: internal
    levels:
      - level: strategic
        enter: {{all: [{{score: total, at_least: {60 - self.variant}}}, {{metric: {self.metrics[0]}, at_least: 40}}]}}
      - {{level: managed, enter: {{score: total, at_least: 50}}}}
      - {{level: self_serve}}
    movement: {movement}
  tier:
    audience: partner
    levels:
      - {{level: gold, enter: {{any: [{{score: total, at_least: 65}}, {{dimension: performance, at_least: 70}}]}}}}
      - {{level: silver, enter: {{score: total, at_least: 45}}}}
      - {{level: registered}}
    movement: {movement}
"""

    def by_hand(self) -> list[str]:
        """The same programme as somebody writes it who has no other; tables hand.totals and hand.held."""
        count = range(len(self.metrics))
        pivot = ", ".join(
            f"max(case when metric = '{metric}' and is_observed then value end) as m{i}"
            for i, metric in enumerate(self.metrics)
        )
        ranks = "".join(
            f", (rank() over (partition by w.quarter_index order by {better} nulls last) - 1)"
            f" / nullif(count(m{i}) over (partition by w.quarter_index) - 1, 0) as roster_{i}"
            f", (rank() over (partition by w.quarter_index, region order by {better} nulls last) - 1)"
            f" / nullif(count(m{i}) over (partition by w.quarter_index, region) - 1, 0) as peers_{i}"
            f", count(m{i}) over (partition by w.quarter_index, region) as peer_count_{i}"
            for i in count
            if KINDS[i % 5] == "percentile"
            for better in (f"-m{i}" if self.metrics[i] in LOWER_IS_BETTER else f"m{i}",)
        )
        points = ", ".join(f"round(cast({self._points_by_hand(i)} as decimal(18, 10)), 2) as p{i}" for i in count)
        parts = {name: [i for i in count if self.dimensions[i] == name] for name in DIMENSIONS}

        def weighed(name: str) -> str:
            known = " + ".join(f"case when p{i} is null then 0 else {self.weight(i)} end" for i in parts[name])
            total = " + ".join(f"coalesce(p{i}, 0)::double * {self.weight(i)}" for i in parts[name])
            return f"({total}) / nullif({known}, 0) as {name}"

        whole = " + ".join(f"coalesce({name}, 0) * {weight}" for name, weight in DIMENSIONS.items())
        known = " + ".join(f"case when {name} is null then 0 else {weight} end" for name, weight in DIMENSIONS.items())

        def ranked(shift: float) -> str:
            strategic = f"total >= {60 - self.variant + shift} and m0 >= 40"
            gold = f"total >= {65 + shift} or performance >= {70 + shift}"
            return (
                f"case when {strategic} then 1 when total >= {50 + shift} then 2 else 3 end, "
                f"case when {gold} then 1 when total >= {45 + shift} then 2 else 3 end"
            )

        return [
            "create schema hand",
            f"create table hand.wide as select partner_id, quarter_index, {pivot} "
            "from metrics.metric_values group by all",
            f"create table hand.ranked as select w.*{ranks} from hand.wide as w left join (select partner_id, "
            "value as region from identity.partner_attributes where attribute = 'region') as a using (partner_id)",
            f"create table hand.points as select partner_id, quarter_index, m0, {points} from hand.ranked",
            "create table hand.dimensions as select partner_id, quarter_index, m0, "
            f"{', '.join(weighed(name) for name in DIMENSIONS)} from hand.points",
            "create table hand.totals as select partner_id, quarter_index, m0, "
            f"round(cast(({whole}) / nullif({known}, 0) as decimal(18, 10)), 2) as total, "
            "round(cast(performance as decimal(18, 10)), 2) as performance from hand.dimensions",
            "create table hand.levels as select partner_id, quarter_index, "
            f"[{ranked(0)}] as earned, [{ranked(BUFFER)}] as raised, [{ranked(-BUFFER)}] as lowered from hand.totals",
            f"create table hand.held as {_FOLD}",
        ]

    def _points_by_hand(self, i: int) -> str:
        low = self.low(i)
        share = f"(peer_count_{i} * coalesce(peers_{i}, 0.5) + 20 * coalesce(roster_{i}, 0.5)) / (peer_count_{i} + 20)"
        return {
            "range": f"case when m{i} is not null then greatest(0, least(1, (m{i}::double - {low}) / 60)) * 100 end",
            "per_unit": f"case when m{i} is not null then least(100, greatest(0, m{i} * 1.5)) end",
            "percentile": f"case when m{i} is not null then {share} * 100 end",
            "bands": f"case when m{i} < {low} then 0 when m{i} < {low + 30} then 40 when m{i} is not null then 90 end",
            "flag": f"case when m{i} > 0 then 100 when m{i} is not null then 0 end",
        }[KINDS[i % 5]]


LOWER_IS_BETTER = ("sales_cycle_days", "days_to_first_deal", "days_to_enablement")
_FOLD = """
select partner_id, ladder, first_index + step - 1 as quarter_index, states[step] as held
from (
    select
        partner_id, ladder, first_index,
        list_transform(list_reduce(reviews, lambda acc, x: list_append(acc, case
            when len(acc) = 0 then {'held': x.e, 'below': 0}
            when x.r < acc[-1].held then {'held': acc[-1].held - 1, 'below': 0}
            when x.l > acc[-1].held and acc[-1].below = 1 then {'held': acc[-1].held + 1, 'below': 0}
            when x.l > acc[-1].held then {'held': acc[-1].held, 'below': 1}
            else {'held': acc[-1].held, 'below': 0}
        end), []::struct(held integer, below integer)[]), lambda s: s.held) as states
    from (
        select
            partner_id, ladder, min(quarter_index) as first_index,
            list({'e': earned[ladder], 'r': raised[ladder], 'l': lowered[ladder]} order by quarter_index) as reviews
        from hand.levels cross join (values (1), (2)) as ladders (ladder)
        group by partner_id, ladder
    )
) cross join range(1, 100) as steps (step)
where step <= len(states)
"""

_COMPARED = {
    "totals": """
        select count(*) from (
            select partner_id, quarter_index, cast(total as decimal(18, 6)) from hand.totals
            except select partner_id, quarter_index, total_score from scoring.partner_scores
            where policy = 'bench-{variant}'
        )""",
    "held levels": """
        select count(*) from (
            select partner_id, if(ladder = 1, 'segment', 'tier'), quarter_index, held from hand.held
            except select partner_id, ladder, quarter_index, held_rank from ladders.levels_held
            where policy = 'bench-{variant}'
        )""",
}


def inputs(con: duckdb.DuckDBPyConnection, partners: int, quarters: int, metrics: list[str]) -> Inputs:
    """A roster and its long metric table: whole numbers from 0 to 99, a tenth of them unknown, the same every time."""
    con.execute(
        f"create temp table cells as select 'p' || p as partner_id, cast(q as integer) as quarter_index, metric, "
        "hash(p, q // 3, metric) % 100 as value, hash(metric, p) % 10 > 0 as is_observed "
        f"from range({partners}) as a (p), range(1, {quarters + 1}) as b (q), "
        f"(select unnest({metrics!r}) as metric)"
    )
    values = con.sql(
        "select partner_id, quarter_index, 'primary/4/0' as window_id, metric, "
        "cast(case when is_observed then value end as varchar) as value, is_observed from cells"
    ).to_arrow_table()
    roster = con.sql(
        "select distinct partner_id, quarter_index, cast(1 as integer) as start_index from cells"
    ).to_arrow_table()
    people = con.sql(
        "select distinct partner_id, partner_id as partner_number, partner_id as partner_name from cells"
    ).to_arrow_table()
    regions = con.sql(
        "select distinct partner_id, 'region' as attribute, 'r' || hash(partner_id) % 7 as value from cells"
    ).to_arrow_table()
    con.execute("drop table cells")
    spine = [
        (i, f"{year}Q{place + 1}", date(year, place * 3 + 1, 1), date(year, place * 3 + 3, 28), False)
        for i in range(1, quarters + 1)
        for year, place in [(2000 + i // 4, i % 4)]
    ]
    return Inputs(quarters=spine, partners=people, roster=roster, attributes=regions, metric_values=values)


def engine_seconds(policies: list[Policy], given: Inputs, hand: Programme | None = None) -> dict[str, Any]:
    """CPU seconds of the engine once over laid inputs; with `hand` the hand-written programme beside it."""
    con = memory()
    try:
        con.execute(f"attach ':memory:' as {DATABASE}")
        con.execute(f"use {DATABASE}")
        lay(con, policies, given)
        found: dict[str, Any] = {}
        if hand:
            started = time.process_time()
            for statement in hand.by_hand():
                con.execute(statement)
            found["hand"] = time.process_time() - started
        started = time.process_time()
        spans = run_engine(con, compiled_engine())
        found["engine"] = time.process_time() - started
        found["spans"] = spans
        if hand:
            compared = {name: sql.format(variant=hand.variant) for name, sql in _COMPARED.items()}
            found["different"] = {name: con.execute(sql).fetchall()[0][0] for name, sql in compared.items()}
            found["compared"] = {
                name: con.execute(f"select count(*) from hand.{table}").fetchall()[0][0]
                for name, table in (("totals", "totals"), ("held levels", "held"))
            }
        return found
    finally:
        con.close()


def main() -> int:
    """Measure and print; 1 when the two ways disagree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--partners", type=int, default=10_000)
    parser.add_argument("--quarters", type=int, default=12)
    parser.add_argument("--criteria", type=int, default=25, help="at most the number of metrics in the catalogue")
    parser.add_argument("--runs", type=int, default=3, help="the best of so many counts")
    options = parser.parse_args()
    programmes = [Programme(options.criteria, variant) for variant in range(3)]
    policies = [read_policy(x.text(), metric_names(), file=f"bench-{x.variant}.yml") for x in programmes]
    with memory() as con:
        given = inputs(con, options.partners, options.quarters, programmes[0].metrics)
    compiled_engine()
    print(f"{options.partners:,} partners x {options.quarters} quarters x {options.criteria} criteria")
    best: dict[str, float] = {}
    different: dict[str, int] = {}
    slowest: dict[str, float] = {}
    for _ in range(options.runs):
        for count in (1, 2, 3):
            found = engine_seconds(policies[:count], given, programmes[0] if count == 1 else None)
            if count == 1:
                best["hand"] = min(best.get("hand", found["hand"]), found["hand"])
                different = found["different"]
                slowest = found["spans"]
            best[str(count)] = min(best.get(str(count), found["engine"]), found["engine"])
    further = (best["3"] - best["1"]) / 2
    print(f"  by hand          {best['hand']:8.2f} s")
    print(f"  one policy       {best['1']:8.2f} s   {best['1'] / best['hand']:.1f} x by hand (aim {AIM_RATIO:g})")
    print(f"  each further one {further:8.2f} s   {further / best['1']:.2f} x the first (aim {AIM_FURTHER:g})")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"  peak memory of this process {peak / (1024 if sys.platform != 'darwin' else 1024**2):,.0f} MB")
    dearest = sorted(slowest.items(), key=lambda item: -item[1])[:8]
    print("  dearest tables: " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in dearest))
    for name, rows in different.items():
        print(f"  {name}: {'equal' if rows == 0 else f'{rows:,} rows differ'}")
    return 1 if any(different.values()) else 0


if __name__ == "__main__":
    sys.exit(main())

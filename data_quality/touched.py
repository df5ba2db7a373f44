"""Follows the rows that a failed expectation found to partners, and says what is doubtful about them.

A row is traced by what it names: a record, an account, a deal, a partner number, a source. A rule about a source or a
table as a whole touches every partner that rests on it. What names nobody touches everybody, and the reason is kept.
Rows that were set aside stand in no conformed table: they are read again as their staging read them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import duckdb

from data_quality.masking import without_mail
from data_quality.suite import Suite
from data_quality.verdict import Result
from pipelines.compiled import Node, Project
from pipelines.shape import PROJECT, Run, fed_by
from pipelines.warehouse import literal, quoted

DECLARED = "(metric_facts)"

Way = Literal["account", "deal", "number", "partner", "record"]


@dataclass(frozen=True)
class Entity:
    """What rests on the rows of a conformed entity, and how a row names its partner."""

    key: str = "partner_id"
    way: Way = "record"
    amount: str | None = None
    """Column with what a row is worth."""
    rows: str | None = None
    """Column with how many it stands for; None: one."""
    metrics: tuple[str, ...] | None = ()
    """Metrics of the catalogue; None: all of them, as the entity decides who is a partner."""


def _with_metrics(entities: dict[str, Entity]) -> dict[str, Entity]:
    """What rests on each entity is a seed, as what freezes demotions is read from it too; `*` stands for all."""
    listed: dict[str, list[str]] = {name: [] for name in entities}
    with (PROJECT / "seeds" / "entity_metrics.csv").open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            listed[row["entity"]].append(row["metric"])
    return {
        name: replace(one, metrics=None if "*" in listed[name] else tuple(listed[name]))
        for name, one in entities.items()
    }


ENTITIES = _with_metrics(
    {
        "accounts": Entity("source_id", "account"),
        "partners": Entity("source_id", "record"),
        "opportunities": Entity("source_id", "deal"),
        "opportunity_partners": Entity("opportunity_id", "deal"),
        "opportunity_stage_changes": Entity("opportunity_id", "deal"),
        "meetings": Entity("account_id", "record"),
        "program_memberships": Entity("account_id", "record"),
        "exchange_rates": Entity("source_id"),
        "account_overlaps": Entity(),
        "overlap_counts": Entity(rows="account_count"),
        "partner_users": Entity(),
        "deal_registrations": Entity(),
        "leads": Entity(),
        "training_records": Entity(),
        "activity_events": Entity(),
        "mdf_requests": Entity(amount="requested_amount"),
        "mdf_claims": Entity(amount="approved_amount"),
        "transactions": Entity(),
        "rewards": Entity(),
        "csat_responses": Entity(),
        "business_plans": Entity(),
        "metric_facts": Entity("partner", "number"),
    }
)
"""Every conformed entity. Ratios and averages are listed, and vary within their history."""

# Columns by which a row that is none of an entity names a partner, the first that a row has.
_NAMES: dict[str, Way] = {
    "partner_id": "partner",
    "partner_number": "number",
    "partner": "number",
    "who": "number",
    "opportunity_id": "deal",
    "account_id": "account",
    "source_id": "record",
}

# The schemas of the warehouse that hold what levels are computed from, as far as a rule about a total is concerned.
_INPUTS = ("conformed", "deployment", "quarantine")

# From `hits` (hit, source, key) to the partners, by the kind of key. Without a source, a key may be of any.
_SAME_SOURCE = "(h.source is null or h.source = x.source)"
_RECORD = (
    "select h.hit, x.partner_id from hits as h "
    f"inner join identity.partner_links as x on {_SAME_SOURCE} and h.key = x.source_id"
)
_ROSTER = "select h.hit, x.partner_id from hits as h inner join identity.partners as x on h.key = x."
_WAYS: dict[Way, str] = {
    "record": _RECORD,
    "partner": f"{_RECORD} union {_ROSTER}partner_id",
    "number": f"{_RECORD} union {_ROSTER}partner_number",
    "deal": (
        "select h.hit, x.partner_id from hits as h "
        f"inner join credits as x on {_SAME_SOURCE} and h.key = x.opportunity_id"
    ),
    # An account is a partner's own, or else that of a customer or of somebody credited beside partners.
    "account": f"""
        {_RECORD}
        union
        select h.hit, c.partner_id
        from hits as h
        inner join (
            select source, account_id, source_id as opportunity_id from conformed.opportunities
            union all
            select source, account_id, opportunity_id from conformed.opportunity_partners
        ) as x on {_SAME_SOURCE} and h.key = x.account_id
        inner join credits as c on x.source = c.source and x.opportunity_id = c.opportunity_id
        where not exists (
            select 1 from identity.partner_links as l
            where (h.source is null or h.source = l.source) and h.key = l.source_id
        )
    """,
}


@dataclass
class Failure:
    """A failed expectation while it is being traced."""

    number: int
    result: Result
    suite: Suite | None
    why_all: str = ""
    """Why it is said to touch everybody or a whole source; empty where its rows name whom they touch."""
    problem: str = ""
    """Why nobody could tell whom it touches."""
    is_input: bool = False
    """Whether levels rest on what it is about."""
    partners: tuple[str, ...] = ()
    """Numbers of those it touches, the first of them; `partner_count` are all."""
    partner_count: int = 0
    at_risk: tuple[str, ...] = ()
    """Numbers of those whose level could differ, the first of them; `at_risk_count` are all."""
    at_risk_count: int = 0


class Trace:
    """Follows the rows of failures to partners; leaves `touched`, `doubts` and `lost` behind in the session."""

    def __init__(self, con: duckdb.DuckDBPyConnection, run: Run, project: Project) -> None:
        self.con = con
        self.run = run
        self.facts = {
            node.table.removesuffix("_set_aside"): _facts_of(node)
            for node in project.nodes
            if node.schema == "quarantine" and node.table.endswith("_set_aside")
        }
        lay_doubts(con)
        aside = (
            f"union select a.source, a.opportunity_id, l.partner_id from {self._aside('opportunity_partners')} as a "
            "inner join identity.partner_accounts as l on a.source = l.source and a.account_id = l.account_id"
            if "opportunity_partners" in self.facts
            else ""
        )
        con.execute(
            "create temp view credits as select p.source, p.opportunity_id, l.partner_id "
            "from conformed.opportunity_partners as p "
            f"inner join identity.partner_accounts as l on p.source = l.source and p.account_id = l.account_id {aside}"
        )

    def follow(self, failure: Failure) -> None:
        """Trace one failure; what DuckDB refuses is told with it and ends no other's trace."""
        if failure.result.raised or not failure.result.sql:
            self._everybody(failure, "it could not be judged", None)
            return
        try:
            self.con.execute(f"create or replace temp table found as select distinct * from ({failure.result.sql})")
            columns = [row[0] for row in self.con.execute("describe found").fetchall()]
            self._choose_way(failure, columns)
        except duckdb.Error as error:
            failure.problem = in_short(error)

    def _choose_way(self, failure: Failure, columns: list[str]) -> None:
        suite = failure.suite
        about = suite.about if suite is not None else None
        if failure.result.table == "quarantine" or "reject_reason" in columns:
            for entity in self._entities(columns, None):
                self._quarantined(failure, entity, columns)
        elif {"source", "source_id"} <= set(columns) and (about or "entity" in columns):
            for entity in self._entities(columns, about):
                self._of_entity(failure, entity, columns)
        elif names := [name for name in _NAMES if name in columns]:
            named: list[str | None] = [*self._entities(columns, about)] if "entity" in columns else [about]
            for one in named:
                self._by_name(failure, names[0], columns, one)
        else:
            self._whole(failure, columns, about)

    def _entities(self, columns: Collection[str], about: str | None) -> list[str]:
        if "entity" in columns:
            named = [row[0] for row in self.con.execute("select distinct entity from found order by 1").fetchall()]
            return [name for name in named if name in ENTITIES]
        return [about] if about else sorted(self.facts)

    def _quarantined(self, failure: Failure, entity: str, columns: Sequence[str]) -> None:
        """Rows that were set aside: of whom they are, by what the row itself still says."""
        if entity not in self.facts:
            return
        same = [
            f"f.{name} is not distinct from q.{name}"
            for name in ("source", "source_id", "reject_reason", "reject_detail")
            if name in columns
        ]
        if "entity" in columns:
            same.append(f"f.entity = {literal(entity)}")
        self.con.execute(
            f"create or replace temp table chosen as select q.* from quarantine.{quoted(entity)} as q "
            f"where exists (select 1 from found as f where {' and '.join(same) or 'true'})"
        )
        self._resolve(failure, entity, self._aside(entity, "chosen"), is_aside=True)
        lines = self._counts("select count(*) from chosen where reject_reason = 'broken_line'")
        if lines:
            self._sources(
                failure,
                f"{_number(lines, 'line')} of {entity} could not be read and may be anybody's",
                f"select distinct source, {literal(entity)} as entity from chosen where reject_reason = 'broken_line'",
            )
        if entity == "accounts":
            self.con.execute(
                "insert into lost select ?, 'aside:' || a.source || '/' || a.source_id, "
                f"coalesce(a.partner_number, a.source_id) from {self._aside(entity, 'chosen')} as a "
                "where a.is_partner and a.source_id is not null and not exists ("
                "select 1 from identity.partner_links as l where l.source = a.source and l.source_id = a.source_id)",
                [failure.number],
            )

    def _of_entity(self, failure: Failure, entity: str, columns: Sequence[str]) -> None:
        """Rows of a conformed entity that stand in it."""
        of_it = f"and f.entity = {literal(entity)}" if "entity" in columns else ""
        rows = (
            f"(select c.* from conformed.{quoted(entity)} as c where exists (select 1 from found as f "
            f"where f.source = c.source and f.source_id = c.source_id {of_it}))"
        )
        self._resolve(failure, entity, rows, is_aside=False)
        nameless = self._counts(
            f"select count(*) from found as f where (f.source is null or f.source_id is null) {of_it}"
        )
        if nameless:
            self._sources(
                failure,
                f"{_number(nameless, 'row')} of it {'names' if nameless == 1 else 'name'} nobody",
                f"select distinct f.source, {literal(entity)} as entity from found as f "
                f"where (f.source is null or f.source_id is null) {of_it}",
            )

    def _resolve(self, failure: Failure, entity: str, rows: str, *, is_aside: bool) -> None:
        """From rows of an entity to partners and to what is doubtful about them."""
        spec = ENTITIES[entity]
        if entity == "exchange_rates":
            if self._counts(f"select count(*) from {rows} as r"):
                self._everybody(failure, "a rate changes the amounts of many", entity)
            return
        amount = f"cast(r.{spec.amount} as decimal(28,6))" if spec.amount else "cast(null as decimal(28,6))"
        if spec.amount and is_aside and "rate" in self._columns(f"{rows} as r"):
            amount = f"cast(r.{spec.amount} * coalesce(r.rate, 1) as decimal(28,6))"
        place = "r.load_id || '/' || coalesce(r.file_name, '') || '/' || coalesce(cast(r.file_row as varchar), '')"
        thing = place if is_aside else "r.source || '/' || r.source_id"
        rows_told = f"cast(r.{spec.rows} as bigint)" if spec.rows else "1"
        self.con.execute(
            "create or replace temp table hits as select row_number() over () as hit, "
            f"r.source, r.{spec.key} as key, {literal(entity + ':')} || coalesce({thing}, '') as thing, "
            f"{amount} as amount, {rows_told} as row_count, cast(null as date) as dated, "
            f"cast(null as boolean) as is_won from {rows} as r"
        )
        if spec.way == "deal":
            self._price_deals()
        self._reach(failure, spec.way, entity, is_aside=is_aside)
        if entity == "partners":
            # A portal's record that was set aside links nobody any more, but says whose it was.
            self.con.execute(
                "create or replace temp table hits as select row_number() over () as hit, "
                f"cast(null as varchar) as source, r.crm_account_id as key from {rows} as r "
                "where r.crm_account_id is not null"
            )
            self.con.execute(f"create or replace temp table reached as {_RECORD}")
            self.con.execute("insert into touched select ?, partner_id from reached", [failure.number])
            self._doubt(failure, entity, "where x.partner_id in (select partner_id from reached)")
            return
        nameless = self._counts("select count(*) from hits where key is null")
        if nameless:
            self._sources(
                failure,
                f"{_number(nameless, 'row')} of it {'names' if nameless == 1 else 'name'} nobody",
                f"select distinct source, {literal(entity)} as entity from hits where key is null",
            )

    def _price_deals(self) -> None:
        """Amount, day and outcome of the deals among `hits`, of those set aside too; a deal counts once."""
        aside = (
            "union all select source, source_id, cast(amount * coalesce(rate, 1) as decimal(28,6)), close_date, "
            f"created_at, is_won from {self._aside('opportunities')}"
            if "opportunities" in self.facts
            else ""
        )
        self.con.execute(
            f"""
            create or replace temp table hits as
            with deals as (
                select
                    source, source_id, cast(reporting_amount as decimal(28,6)) as amount, close_date, created_at, is_won
                from conformed.opportunities
                {aside}
            ),

            priced as (
                select
                    source, source_id, max(amount) as amount, bool_or(is_won) as is_won,
                    -- A deal of which one day is unknown may count in any window.
                    max(
                        case
                            when close_date is not null and created_at is not null
                                then greatest(close_date, cast(created_at as date))
                            else date '9999-12-31'
                        end
                    ) as dated
                from deals
                where (source, source_id) in (select source, key from hits)
                group by source, source_id
            )

            select
                h.hit, h.source, h.key, 'deal:' || coalesce(h.source || '/' || h.key, h.thing) as thing, p.amount,
                1 as row_count, p.dated, p.is_won
            from hits as h
            left join priced as p on h.source = p.source and h.key = p.source_id
            """
        )

    def _by_name(self, failure: Failure, name: str, columns: Sequence[str], about: str | None) -> None:
        """Rows that are none of an entity but name somebody."""
        source = "source" if "source" in columns else "cast(null as varchar)"
        of_it = f"where entity = {literal(about)}" if "entity" in columns else ""
        self.con.execute(
            f"create or replace temp table hits as select row_number() over () as hit, {source} as source, "
            f"cast({name} as varchar) as key, '' as thing, cast(null as decimal(28,6)) as amount, "
            "cast(null as bigint) as row_count, cast(null as date) as dated, cast(null as boolean) as is_won "
            f"from found {of_it}"
        )
        self._reach(failure, _NAMES[name], about, is_aside=False)
        nameless = self._counts("select count(*) from hits where key is null")
        if nameless:
            self._sources(
                failure,
                f"{_number(nameless, 'row')} of it {'names' if nameless == 1 else 'name'} nobody",
                f"select distinct source, {literal(about)} as entity from hits where key is null",
            )

    def _reach(self, failure: Failure, way: Way, entity: str | None, *, is_aside: bool) -> None:
        self.con.execute(f"create or replace temp table reached as {_WAYS[way]}")
        self.con.execute("insert into touched select distinct ?, partner_id from reached", [failure.number])
        if entity is not None:
            self.con.execute(
                "insert into doubts select ?, r.partner_id, ?, ?, h.thing, h.amount, h.row_count, h.dated, h.is_won "
                "from reached as r inner join hits as h on r.hit = h.hit",
                [failure.number, entity, is_aside],
            )

    def _whole(self, failure: Failure, columns: Sequence[str], about: str | None) -> None:
        """Rows about sources, tables or totals, which name nobody."""
        if not self._counts("select count(*) from found"):
            self._everybody(failure, "its rows could not be found again", about or "")
        elif "source" in columns:
            tables = "table_name" if "table_name" in columns else "cast(null as varchar)"
            entity = "entity" if "entity" in columns else literal(about)
            found = self.con.execute(f"select distinct source, {tables}, {entity} from found order by all").fetchall()
            rows = [
                (source, entity)
                for source, table, named in found
                for entity in ([named] if named in ENTITIES else self._fed_by(source, table))
            ]
            things = ("/".join(part for part in row if part) or "a source without a name" for row in found)
            words = f"it is about {', '.join(dict.fromkeys(things))} as a whole"
            self._sources(failure, words, _values(rows))
        elif "entity" in columns:
            for entity in self._entities(columns, about):
                self._everybody(failure, "it is about a table as a whole", entity)
        else:
            schema = failure.suite.table.split(".")[0] if failure.suite and failure.suite.place == "warehouse" else ""
            is_input = about is not None or schema in _INPUTS
            self._everybody(failure, "its rows name nobody", (about or "") if is_input else None)

    def _fed_by(self, source: str | None, table: str | None) -> list[str | None]:
        """The entities that a source's table feeds; a None stands for whatever the source tells."""
        for instance in self.run.sources:
            if instance.name == source and table is not None:
                fed: list[str | None] = [entity for entity in fed_by(instance.connector, table) if entity in ENTITIES]
                return fed or [None]
        return [None]

    def _sources(self, failure: Failure, why: str, sources: str) -> None:
        """All partners that rest on sources: `sources` selects source and entity, either of which may be unknown."""
        failure.why_all = why
        rows = self.con.execute(f"select distinct source, entity from ({sources}) order by all").fetchall()
        for source, entity in rows:
            decides = entity is None or ENTITIES[entity].metrics is None
            known = (
                "" if decides
                else f"and exists (select 1 from identity.partner_knowledge as k where k.partner_id = x.partner_id "
                f"and k.entity = {literal(entity)})"
            )  # fmt: skip
            asked = f"select distinct x.partner_id from identity.partner_links as x where x.source = {literal(source)}"
            self.con.execute(f"create or replace temp table resting as {asked} {known}")
            if known and not self._counts("select count(*) from resting"):
                # Where nobody is known to have such a thing any more, nobody can say of whom the source knew it.
                self.con.execute(f"create or replace temp table resting as {asked}")
            if not self._counts("select count(*) from resting"):
                self._everybody(failure, why, entity or "")
                continue
            kind = next((one.kind for one in self.run.sources if one.name == source), None)
            about = entity or (f"kind:{kind}" if kind else "")
            among = "where x.partner_id in (select partner_id from resting)"
            self.con.execute(
                f"insert into touched select ?, x.partner_id from identity.partners as x {among}", [failure.number]
            )
            self._doubt(failure, about, among)

    def _everybody(self, failure: Failure, why: str, about: str | None) -> None:
        """Everybody on the roster; `about` is the entity that is in doubt, '' every metric, None no input at all."""
        failure.why_all = why
        self.con.execute("insert into touched select ?, partner_id from identity.partners", [failure.number])
        if about is not None:
            self._doubt(failure, about, "")

    def _doubt(self, failure: Failure, about: str, where: str) -> None:
        self.con.execute(
            "insert into doubts select ?, x.partner_id, ?, false, '', null, null, null, null "
            f"from identity.partners as x {where}",
            [failure.number, about],
        )

    def _aside(self, entity: str, chosen: str | None = None) -> str:
        """The rows of an entity that were set aside, as its staging read them: `chosen` of them, default all."""
        chosen = chosen or f"quarantine.{quoted(entity)}"
        return (
            f"(select f.* from ({self.facts[entity]}) as f inner join {chosen} as q on f.source = q.source "
            "and f.load_id = q.load_id and f.file_name is not distinct from q.file_name "
            "and f.file_row is not distinct from q.file_row)"
        )

    def _columns(self, relation: str) -> set[str]:
        return {row[0] for row in self.con.execute(f"describe select * from {relation}").fetchall()}

    def _counts(self, query: str) -> int:
        return int(self.con.execute(query).fetchall()[0][0])


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def in_short(error: Exception) -> str:
    """What went wrong on one line, without addresses of persons and paths of this machine."""
    told = f"{type(error).__name__}: {error}".splitlines()[0]
    return without_mail(re.sub(r"(?<![\w.])/(?:[^\s/'\"]+/)+", "", told))[:200]


def _facts_of(node: Node) -> str:
    """What the split of an entity's rows starts from: every row as its staging reads it, before any is set aside."""
    return f"{node.sql[: node.sql.rindex(chr(10) + 'select')]}\nselect * from facts"


def _values(rows: Sequence[tuple[str | None, str | None]]) -> str:
    listed = ", ".join(f"({literal(source)}, {literal(entity)})" for source, entity in rows)
    return f"select source, entity from (values {listed}) as rows_of (source, entity)"


def lay_doubts(con: duckdb.DuckDBPyConnection) -> None:
    """Make the tables that a trace fills: touched, doubts and lost, by number of the failure.

    A row of `doubts` says that what rests on an entity is doubtful for a partner; where `is_aside`, by a row (`thing`)
    that is left out, which may count with an amount and a number of rows in windows that reach back to `dated`.
    """
    con.execute("create or replace temp table touched (failure integer, partner_id varchar)")
    con.execute("create or replace temp table lost (failure integer, partner_id varchar, number varchar)")
    con.execute(
        "create or replace temp table doubts (failure integer, partner_id varchar, entity varchar, is_aside boolean, "
        "thing varchar, amount decimal(28,6), row_count bigint, dated date, is_won boolean)"
    )

"""Replays all quarters under a proposed policy beside today's, in a scratch copy of the warehouse of the last run.

Both are laid down as policies of their own, in force in every quarter, and everything that follows from policies is
built once, by the same models as in a run. No decision on record and no signed exception steers either replay. What
came of it lies in the schema `simulation` of the scratch file, told partner by partner, and is summed up here.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from pipelines.connector import instances
from pipelines.errors import BuildError, ConfigError, InputError
from pipelines.policy import TABLES as POLICY_TABLES
from pipelines.policy import Policy, in_force, read_policies, read_policy, rows_of
from pipelines.policy.capacity import Balance, balance_of, hours_per_partner
from pipelines.settings import Settings
from pipelines.shape import DEPLOYMENT_TABLES, Built, Run, build, metric_names
from pipelines.warehouse import DEPLOYMENT, MARTS, POLICY, Places, connect, literal, quoted, write_rows, writer

SIMULATION = "simulation"
TODAY, PROPOSED = "today", "proposed"
SIDES = (TODAY, PROPOSED)
# A move is undone when a later one takes the partner back to where it was, or past it, within so many quarters.
UNDONE_WITHIN = 2

# The tables of a comparison and the order of their rows.
TABLES: dict[str, tuple[str, ...]] = {
    "simulated_levels": ("ladder", "side", "quarter", "partner_number", "partner_id"),
    "simulated_moves": ("ladder", "side", "quarter", "partner_number", "partner_id"),
    "simulated_sizes": ("ladder", "side", "quarter", "level_rank"),
    "simulated_differences": ("ladder", "partner_number", "partner_id"),
    "simulated_reasons": ("ladder", "partner_number", "partner_id", "position"),
}


@dataclass(frozen=True)
class Proposal:
    """What is compared: the proposed policy, today's, and how today's was named."""

    proposed: Policy
    today: Policy
    against: str


@dataclass(frozen=True)
class Context:
    """The run whose facts are replayed: its newest quarter, its quarters, and the facts' moment (UTC)."""

    deployment: str
    quarter: str
    quarter_end: date
    quarters: int
    known_at: str


@dataclass(frozen=True)
class Mover:
    """A partner that holds another level in the newest quarter, and why."""

    partner_number: str | None
    partner_name: str
    partner_id: str
    today: str
    proposed: str
    direction: str
    why: list[str]
    today_score: Decimal | None
    proposed_score: Decimal | None


@dataclass(frozen=True)
class Reason:
    """One reason for differences, and how many partners it holds for."""

    direction: str
    reason: str
    partners: int


@dataclass(frozen=True)
class Moves:
    """What moved in one quarter under one policy; `undone`: moves that take back one of the two quarters before."""

    quarter: str
    side: str
    promoted: int
    demoted: int
    entered: int
    exited: int
    undone: int

    @property
    def total(self) -> int:
        """All moves of the quarter; a partner's first level is none."""
        return self.promoted + self.demoted + self.entered + self.exited


@dataclass(frozen=True)
class Size:
    """How many partners hold a level in one quarter under one policy, and the hours a quarter they are promised."""

    quarter: str
    side: str
    level: str
    capacity: int | None
    partners: int
    hours_needed: Decimal


@dataclass(frozen=True)
class Comparison:
    """One ladder under both policies. `movers` and `reasons` are about the newest quarter."""

    ladder: str
    levels: dict[str, list[str]]
    partners: int
    movers: list[Mover]
    reasons: list[Reason]
    sizes: list[Size]
    moves: list[Moves]


@dataclass(frozen=True)
class Simulation:
    """Everything a replay told. `only` names the ladders that one side alone has."""

    proposal: Proposal
    context: Context
    ladders: list[Comparison]
    only: dict[str, list[str]]
    balances: dict[str, Balance]
    """The hours of the newest quarter, by side."""
    hours: list[tuple[str, str, Decimal]]
    """Quarter, side, hours needed over all ladders, the policy's own or not shared."""
    scratch: Path | None
    """Where the scratch copy was kept, if it was."""

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON-friendly names and values, without the scratch tables."""
        there = {side: balance.hours_there for side, balance in self.balances.items()}
        return {
            "proposed": {"policy": self.proposal.proposed.key, "file": self.proposal.proposed.file},
            "today": {
                "policy": self.proposal.today.key,
                "file": self.proposal.today.file,
                "against": self.proposal.against,
            },
            "context": {**asdict(self.context), "quarter_end": self.context.quarter_end.isoformat()},
            "only": self.only,
            "ladders": [
                {
                    "ladder": ladder.ladder,
                    "levels": ladder.levels,
                    "partners": ladder.partners,
                    "movers": [asdict(mover) for mover in ladder.movers],
                    "reasons": [asdict(reason) for reason in ladder.reasons],
                    "sizes": [asdict(size) for size in ladder.sizes],
                    "moves": [{**asdict(moves), "total": moves.total} for moves in ladder.moves],
                }
                for ladder in self.ladders
            ],
            "hours": [
                {"quarter": quarter, "side": side, "hours_needed": needed, "hours_there": there[side]}
                for quarter, side, needed in self.hours
            ],
            "capacity": {side: balance.text() for side, balance in self.balances.items()},
            "scratch": str(self.scratch) if self.scratch else None,
        }


def read_proposal(settings: Settings, file: Path, against: str, on: date) -> Proposal:
    """The proposed policy and the one it is compared with.

    Args:
        settings: the deployment.
        file: the proposal; it need not lie in the folder of policies.
        against: `active`, a name or name@version in the folder of policies, or a policy file.
        on: the day that decides which version is in force.

    Raises:
        PolicyError: a file cannot be read or is refused, or there is no such policy.
        ConfigError: `against` names a file that is not there.
    """
    catalogue = metric_names()
    proposed = read_policy(file, catalogue)
    if against != "active" and (Path(against).suffix.lower() in (".yml", ".yaml") or Path(against).is_file()):
        if not Path(against).is_file():
            raise ConfigError(
                f"--against {against}: no such file; nothing was simulated",
                next_step="`active`, a policy of the deployment (NAME or NAME@VERSION), or a policy file",
            )
        return Proposal(proposed, read_policy(Path(against), catalogue), against)
    policies = read_policies(settings.folder("policies"), catalogue)
    name = settings.policy.active if against == "active" else against
    return Proposal(proposed, in_force(policies, name, on), against)


def simulate(
    settings: Settings,
    file: Path,
    *,
    against: str = "active",
    to: Path | None = None,
    keep: bool = False,
    on_start: Callable[[Proposal, Context], None] | None = None,
    on_node: Callable[[Built], None] | None = None,
) -> Simulation:
    """Replay every quarter of the last run under a proposal and under today's policy.

    Writes nothing into the deployment: warehouse, releases and candidates stay as they are, and so does the lake.

    Args:
        settings: the deployment; it must have been run.
        file: the proposed policy.
        against: what it is compared with, see `read_proposal`.
        to: a folder for the rows of the comparison, as Parquet and CSV; what lies there under their names is replaced.
        keep: leave the scratch copy behind.
        on_start: called once with what is compared, before the long step.
        on_node: called after every table that is built.

    Raises:
        InputError: there is no warehouse of a finished run.
        PolicyError: a policy is refused.
        BuildError: the tables could not be built; the scratch copy is kept for its log.
        Busy: another process held the warehouse for too long.
    """
    places = Places.of(settings)
    _check_there(places)
    with _scratch(keep=keep) as scratch:
        # The writing seat keeps runs out while the file is copied; the connection waits for what a killed one left.
        with writer(places), connect(places.warehouse, read_only=True) as con:
            _check_finished(con)
            context = _context(con, settings)
            proposal = read_proposal(settings, file, against, context.quarter_end)
            _copy(places.warehouse, scratch.warehouse)
        if on_start:
            on_start(proposal, context)
        run = _run(settings, scratch, context, proposal)
        _lay_policies(run)
        try:
            build(run, select=f"source:{POLICY}+", on_node=on_node)
        except BuildError as problem:
            raise BuildError(
                problem.message,
                next_step=f"{problem.next_step}; if this software is newer than the last run, `segments run` first",
            ) from None
        with connect(scratch.warehouse) as con:
            lay_comparison(con, _level_hours(proposal))
            if to is not None:
                _write_rows_to(con, to)
            return _summed_up(con, proposal, context, scratch.state if keep else None)


def _check_there(places: Places) -> None:
    if not places.warehouse.exists():
        raise InputError(
            f"{places.warehouse}: there is no warehouse of a run yet, so there are no facts to replay",
            next_step="`segments run` makes one; with --rehearse it releases nothing",
        )


@contextmanager
def _scratch(*, keep: bool) -> Iterator[Places]:
    """A folder of its own for a copy of the warehouse; it goes away again unless it is wanted or a build failed."""
    folder = Path(tempfile.mkdtemp(prefix="segments-simulate-"))
    try:
        yield Places(folder)
    except BuildError:
        raise  # its message names the log inside
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)


def _copy(warehouse: Path, target: Path) -> None:
    try:
        shutil.copyfile(warehouse, target)
        log = warehouse.with_name(warehouse.name + ".wal")
        if log.exists():
            shutil.copyfile(log, target.with_name(target.name + ".wal"))
    except OSError as problem:
        size = warehouse.stat().st_size
        raise InputError(
            f"the warehouse ({size:,} bytes) could not be copied to {target.parent} ({problem.strerror or problem}); "
            "nothing was simulated",
            next_step="make room, or set TMPDIR to a folder with enough",
        ) from None


def _check_finished(con: duckdb.DuckDBPyConnection) -> None:
    """Facts and tables must be of one run: a run that is under way or has failed leaves them apart.

    Raises:
        InputError: they are not, or another version of this software wrote them.
    """
    step = "let the run finish, or run again: `segments run`; with --rehearse it releases nothing"
    there = {(row[0], row[1]) for row in con.execute("select schema_name, table_name from duckdb_tables()").fetchall()}
    wanted = {(DEPLOYMENT, table) for table in DEPLOYMENT_TABLES} | {(MARTS, "partner_segments")}
    if missing := sorted(f"{schema}.{table}" for schema, table in wanted - there):
        raise InputError(
            f"the warehouse has no {missing[0]}: the last run did not finish, or an earlier version of this software "
            "made it; nothing was simulated",
            next_step=step,
        )
    apart = con.execute(
        f"select count(*) from {MARTS}.partner_segments as s, {DEPLOYMENT}.run_context as c "
        "where s.quarter <> c.quarter or s.known_at <> c.known_at"
    ).fetchall()[0][0]
    if apart:
        raise InputError(
            "the warehouse holds the inputs of one run and the tables of another: a run is under way or has failed; "
            "nothing was simulated",
            next_step=step,
        )


def _context(con: duckdb.DuckDBPyConnection, settings: Settings) -> Context:
    quarter, quarter_end, known_at = con.execute(
        f"select quarter, quarter_end, cast(known_at as varchar) from {DEPLOYMENT}.run_context"
    ).fetchall()[0]
    (quarters,) = con.execute(f"select count(*) from {DEPLOYMENT}.quarters").fetchall()[0]
    return Context(settings.deployment, quarter, quarter_end, quarters, known_at)


def _run(settings: Settings, scratch: Places, context: Context, proposal: Proposal) -> Run:
    """A run over the scratch copy, with both policies in force from the beginning and under names of their own."""
    sides = dict(zip(SIDES, (proposal.today, proposal.proposed), strict=True))
    policies = [
        replace(
            policy,
            document=policy.document.model_copy(
                update={"policy": _name_of(side), "version": "replay", "effective_from": date.min}
            ),
            effective_to=None,
        )
        for side, policy in sides.items()
    ]
    quarter = settings.calendar.parse(context.quarter)
    return Run(settings, scratch, quarter, instances(settings), policies, policies[0], None)


def _name_of(side: str) -> str:
    return f"simulated-{side}"


def _lay_policies(run: Run) -> None:
    """Replace the policies of the scratch copy by the two, and forget what was decided by people.

    The facts and the quarters stay those of the last run, so that what depends on no policy need not be built again.
    """
    laid = {**rows_of(run.policies), "exceptions": []}
    with connect(run.places.warehouse) as con:
        for table, columns in POLICY_TABLES.items():
            write_rows(con, POLICY, table, columns, laid.get(table, []))
        con.execute("delete from released.decisions")
        con.execute(
            f"update {DEPLOYMENT}.run_context set policy = ?, version = ?", [run.active.name, run.active.version]
        )
        con.execute("checkpoint")


def _level_hours(proposal: Proposal) -> list[dict[str, Any]]:
    return [
        {"side": side, "ladder": ladder, "level": level, "hours_each": hours}
        for side, policy in zip(SIDES, (proposal.today, proposal.proposed), strict=True)
        for (ladder, level), hours in hours_per_partner(policy.document).items()
    ]


# --- rows -------------------------------------------------------------------------------------------------------------


def lay_comparison(con: duckdb.DuckDBPyConnection, level_hours: Sequence[dict[str, Any]]) -> None:
    """Make the tables of a comparison in the schema `simulation` out of a scratch copy that is built.

    Args:
        con: the scratch copy, writable.
        level_hours: rows of side, ladder, level, hours_each.
    """
    con.execute(f"create or replace schema {SIMULATION}")
    columns = {"side": "varchar", "ladder": "varchar", "level": "varchar", "hours_each": "decimal(28,6)"}
    write_rows(con, SIMULATION, "level_hours", columns, list(level_hours))
    sides = " union all ".join(f"select {literal(side)} as side, {literal(_name_of(side))} as policy" for side in SIDES)
    con.execute(f"create view {SIMULATION}.sides as {sides}")
    con.execute(_LEVELS_OF_LADDERS)
    con.execute(_LEVELS)
    lay_moves(con, f"{SIMULATION}.simulated_levels", f"{SIMULATION}.simulated_moves")
    con.execute(_SIZES)
    con.execute(_DIFFERENCES)
    con.execute(_REASONS)


_LEVELS_OF_LADDERS = f"""
create view {SIMULATION}.ladder_levels as
select s.side, l.ladder, l.level, cast(l.rank as integer) as level_rank, l.is_outside, l.capacity
from {POLICY}.levels as l inner join {SIMULATION}.sides as s on l.policy = s.policy
"""

_LEVELS = f"""
create table {SIMULATION}.simulated_levels as
select
    h.ladder, s.side, h.partner_id, h.partner_number, h.partner_name,
    cast(q.quarter_index as integer) as quarter_index, h.quarter, h.quarter_end,
    h.held_level as level, h.held_rank as level_rank, l.is_outside, h.earned_level, e.level_rank as earned_rank,
    cast(x.reached_rank as integer) as reached_rank, h.previous_level, h.action, h.reason_codes, h.reviews_above,
    h.reviews_below, h.track, p.total_score, h.reasons
from {MARTS}.partner_level_history as h
inner join {SIMULATION}.sides as s on h.policy = s.policy
inner join {DEPLOYMENT}.quarters as q on h.quarter = q.quarter
inner join {SIMULATION}.ladder_levels as l on s.side = l.side and h.ladder = l.ladder and h.held_level = l.level
inner join {SIMULATION}.ladder_levels as e on s.side = e.side and h.ladder = e.ladder and h.earned_level = e.level
inner join ladders.levels_held as x
    on h.policy = x.policy and h.ladder = x.ladder and h.partner_id = x.partner_id
    and q.quarter_index = x.quarter_index
left join scoring.partner_scores as p
    on h.policy = p.policy and h.version = p.version and h.partner_id = p.partner_id
    and q.quarter_index = p.quarter_index
"""

# Every level in every quarter, also those that nobody holds.
_SIZES = f"""
create table {SIMULATION}.simulated_sizes as
with reviewed as (
    select distinct ladder, quarter_index, quarter, quarter_end from {SIMULATION}.simulated_levels
),

held as (
    select ladder, side, quarter_index, level, count(*) as partners
    from {SIMULATION}.simulated_levels
    group by all
)

select
    l.ladder, l.side, r.quarter_index, r.quarter, r.quarter_end, l.level, l.level_rank, l.is_outside, l.capacity,
    coalesce(h.partners, 0) as partners,
    coalesce(n.hours_each, 0) as hours_each,
    cast(coalesce(h.partners, 0) * coalesce(n.hours_each, 0) as decimal(28,6)) as hours_needed
from {SIMULATION}.ladder_levels as l
inner join reviewed as r on l.ladder = r.ladder
left join held as h
    on l.ladder = h.ladder and l.side = h.side and r.quarter_index = h.quarter_index and l.level = h.level
left join {SIMULATION}.level_hours as n on l.side = n.side and l.ladder = n.ladder and l.level = n.level
"""

# Who holds another level in the newest quarter. Which of two levels is the better one is said by the proposal's order,
# else by today's; levels that no policy has both of have no order.
_DIFFERENCES = f"""
create table {SIMULATION}.simulated_differences as
with newest as (
    select * from {SIMULATION}.simulated_levels
    where quarter_index = (select max(quarter_index) from {SIMULATION}.simulated_levels)
)

select
    t.ladder, t.partner_id, t.partner_number, t.partner_name, t.quarter_index, t.quarter,
    t.level as today_level,
    p.level as proposed_level,
    case
        when t.is_outside and p.is_outside then 'other'
        when t.is_outside then 'enters'
        when p.is_outside then 'leaves'
        when tp.level_rank is not null then case when p.level_rank < tp.level_rank then 'up' else 'down' end
        when pt.level_rank is not null then case when pt.level_rank < t.level_rank then 'up' else 'down' end
        else 'other'
    end as direction,
    t.earned_level as today_earned_level,
    p.earned_level as proposed_earned_level,
    t.action as today_action,
    p.action as proposed_action,
    t.total_score as today_score,
    p.total_score as proposed_score,
    t.reasons as today_reasons,
    p.reasons as proposed_reasons
from newest as t
inner join newest as p on t.ladder = p.ladder and t.partner_id = p.partner_id
left join {SIMULATION}.ladder_levels as tp on tp.side = 'proposed' and t.ladder = tp.ladder and t.level = tp.level
left join {SIMULATION}.ladder_levels as pt on pt.side = 'today' and p.ladder = pt.ladder and p.level = pt.level
where t.side = 'today' and p.side = 'proposed' and t.level <> p.level
"""

# Why: looked at from the side with the lower level, for the level that the other side holds (`goal`).
_REASONS = f"""
create table {SIMULATION}.simulated_reasons as
with sides as (
    select
        *,
        case when direction in ('up', 'enters') then 'today' else 'proposed' end as lower_side,
        case when direction in ('up', 'enters') then proposed_level else today_level end as goal
    from {SIMULATION}.simulated_differences
),

looked_at as (
    select
        d.*, l.track as lower_track, l.reason_codes as lower_codes, u.side as upper_side, u.track as upper_track,
        u.earned_level as upper_earned, u.reason_codes as upper_codes,
        case d.lower_side when 'today' then 'today''s policy' else 'the proposal' end as lower_name,
        case d.lower_side when 'today' then 'the proposal' else 'today''s policy' end as upper_name,
        case
            when d.direction = 'other' or g.level is null then 'levels'
            when l.earned_rank <= g.level_rank then 'waiting'
            when u.earned_rank > u.level_rank then 'kept'
            when l.reached_rank <= g.level_rank then 'capacity'
            else 'conditions'
        end as kind
    from sides as d
    inner join {SIMULATION}.simulated_levels as l
        on d.ladder = l.ladder and d.partner_id = l.partner_id and d.quarter_index = l.quarter_index
        and d.lower_side = l.side
    inner join {SIMULATION}.simulated_levels as u
        on d.ladder = u.ladder and d.partner_id = u.partner_id and d.quarter_index = u.quarter_index
        and d.lower_side <> u.side
    left join {SIMULATION}.ladder_levels as g
        on d.lower_side = g.side and d.ladder = g.ladder and d.goal = g.level
),

-- The conditions of the goal on the lower side that do not hold there, by way in.
failed as (
    select
        k.ladder, k.partner_id, c.alternative, c.condition, c.needed, c.kind, r.actual_value, r.actual_text,
        r.population, k.lower_name, k.upper_name, k.goal,
        count(*) over (partition by k.ladder, k.partner_id, c.alternative) as missing
    from looked_at as k
    inner join {SIMULATION}.sides as s on k.lower_side = s.side
    inner join ladders.conditions as c on s.policy = c.policy and k.ladder = c.ladder and k.goal = c.level
    inner join ladders.condition_results as r
        on c.condition_id = r.condition_id and k.partner_id = r.partner_id and k.quarter_index = r.quarter_index
        and r.track = coalesce(k.lower_track, '')
    where k.kind = 'conditions' and not r.has_passed
),

-- The way in with the fewest of them.
nearest as (
    select ladder, partner_id, min_by(alternative, missing * 1000 + alternative) as alternative
    from failed
    group by ladder, partner_id
),

-- What holds on the other side for the same level: where it is the very same bar, the value is another one there.
passed as (
    select distinct k.ladder, k.partner_id, c.needed
    from looked_at as k
    inner join {SIMULATION}.sides as s on k.upper_side = s.side
    inner join ladders.conditions as c on s.policy = c.policy and k.ladder = c.ladder and k.goal = c.level
    inner join ladders.condition_results as r
        on c.condition_id = r.condition_id and k.partner_id = r.partner_id and k.quarter_index = r.quarter_index
        and r.track = coalesce(k.upper_track, '')
    where k.kind = 'conditions' and r.has_passed
),

told as (
    select
        f.ladder, f.partner_id, f.condition as position,
        case when p.needed is null then 'bar' else 'value' end as kind,
        f.needed || case
            when p.needed is null then ' is what ' || f.lower_name || ' asks'
            else ' holds under ' || f.upper_name || ' alone'
        end as reason,
        f.needed || ' is what ' || f.lower_name || ' asks ('
        || case
            when f.kind = 'attribute' then coalesce(f.actual_text, 'unknown')
            when f.kind = 'top_share' and f.actual_value is null then 'not among those compared'
            when f.actual_value is null then 'unknown'
            when f.kind = 'top_share'
                then 'place ' || cast(cast(f.actual_value as bigint) as varchar) || ' of '
                    || cast(f.population as varchar)
            else rtrim(rtrim(format('{{:,.6f}}', cast(f.actual_value as double)), '0'), '.')
        end || ')' as detail
    from failed as f
    inner join nearest as n
        on f.ladder = n.ladder and f.partner_id = n.partner_id and f.alternative = n.alternative
    left join passed as p on f.ladder = p.ladder and f.partner_id = p.partner_id and f.needed = p.needed
    union all
    select
        ladder, partner_id, 0, kind,
        case kind
            when 'levels' then lower_name || ' has no ' || goal
            when 'waiting' then goal || ' is earned under ' || lower_name || ' too, but not held: ' || lower_codes
            when 'kept' then goal || ' is earned under neither, but held under ' || upper_name || ': ' || upper_codes
            else goal || ' is full under ' || lower_name
        end,
        case kind
            when 'levels' then lower_name || ' has no ' || goal
            when 'waiting' then 'earned under ' || lower_name || ' too, but not held: ' || lower_codes
            when 'kept'
                then upper_earned || ' is earned, ' || goal || ' held under ' || upper_name || ': ' || upper_codes
            else 'reached under ' || lower_name || ' too, but full'
        end
    from looked_at
    where kind <> 'conditions'
)

select
    d.ladder, d.partner_id, d.partner_number, d.partner_name, d.quarter, d.direction,
    cast(row_number() over (partition by d.ladder, d.partner_id order by t.position) as integer) as position,
    t.kind, t.reason, t.detail
from told as t
inner join {SIMULATION}.simulated_differences as d on t.ladder = d.ladder and t.partner_id = d.partner_id
"""


def lay_moves(con: duckdb.DuckDBPyConnection, levels: str, moves: str) -> None:
    """Make the table `moves` of a table `levels`: every change of level from one quarter to the next.

    A move takes back (`undoes_quarter`) the newest move of the two quarters before that went the other way, if it
    brings the partner to the level from before that move, or past it. A partner's first level is no move.

    Args:
        con: the database of both.
        levels: a relation of ladder, side, partner_id, quarter_index, level, level_rank (1: the best), is_outside, and
            of partner_number, partner_name, quarter, quarter_end, reasons to be carried along.
        moves: the table to make.
    """
    con.execute(
        f"""
        create or replace table {moves} as
        with steps as (
            select
                *,
                lag(level) over w as from_level,
                lag(level_rank) over w as from_rank,
                lag(is_outside) over w as was_outside
            from {levels}
            window w as (partition by ladder, side, partner_id order by quarter_index)
        ),

        moves as (
            select
                *,
                case
                    when was_outside then 'entered' when is_outside then 'exited'
                    when level_rank < from_rank then 'promoted' else 'demoted'
                end as move
            from steps
            where level_rank <> from_rank
        ),

        undone as (
            select m.ladder, m.side, m.partner_id, m.quarter_index, max_by(e.quarter, e.quarter_index) as undoes_quarter
            from moves as m
            inner join moves as e
                on m.ladder = e.ladder and m.side = e.side and m.partner_id = e.partner_id
                and e.quarter_index between m.quarter_index - {UNDONE_WITHIN} and m.quarter_index - 1
                and case
                    when m.level_rank < m.from_rank
                        then e.level_rank > e.from_rank and m.level_rank <= e.from_rank and m.from_rank > e.from_rank
                    else e.level_rank < e.from_rank and m.level_rank >= e.from_rank and m.from_rank < e.from_rank
                end
            group by m.ladder, m.side, m.partner_id, m.quarter_index
        )

        select
            m.ladder, m.side, m.partner_id, m.partner_number, m.partner_name, m.quarter_index, m.quarter,
            m.quarter_end, m.from_level, m.level as to_level, m.move, u.undoes_quarter, m.reasons
        from moves as m
        left join undone as u
            on m.ladder = u.ladder and m.side = u.side and m.partner_id = u.partner_id
            and m.quarter_index = u.quarter_index
        """
    )


def _write_rows_to(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write every table of the comparison as Parquet and as CSV.

    Raises:
        ConfigError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for table, order in TABLES.items():
            rows = f"(select * from {SIMULATION}.{table} order by {', '.join(quoted(column) for column in order)})"
            con.execute(f"copy {rows} to {literal(folder / (table + '.parquet'))} (format parquet, compression zstd)")
            con.execute(f"copy {rows} to {literal(folder / (table + '.csv'))} (format csv, header)")
    except (OSError, duckdb.IOException) as problem:
        raise ConfigError(f"--to {folder}: cannot be written ({problem})") from None


# --- the summary ------------------------------------------------------------------------------------------------------


def _summed_up(
    con: duckdb.DuckDBPyConnection, proposal: Proposal, context: Context, scratch: Path | None
) -> Simulation:
    sides = dict(zip(SIDES, (proposal.today, proposal.proposed), strict=True))
    ladders = {side: list(policy.document.ladders) for side, policy in sides.items()}
    newest: dict[str, dict[tuple[str, str], int]] = {side: {} for side in SIDES}
    for side, ladder, level, partners in con.execute(
        f"select side, ladder, level, partners from {SIMULATION}.simulated_sizes where quarter = ?", [context.quarter]
    ).fetchall():
        newest[side][ladder, level] = partners
    hours = con.execute(
        f"select quarter, side, sum(hours_needed) from {SIMULATION}.simulated_sizes "
        "group by quarter, quarter_index, side order by quarter_index, side desc"
    ).fetchall()
    return Simulation(
        proposal=proposal,
        context=context,
        ladders=[_compared(con, ladder, sides) for ladder in ladders[PROPOSED] if ladder in ladders[TODAY]],
        only={
            TODAY: [ladder for ladder in ladders[TODAY] if ladder not in ladders[PROPOSED]],
            PROPOSED: [ladder for ladder in ladders[PROPOSED] if ladder not in ladders[TODAY]],
        },
        balances={side: balance_of(policy.document, newest[side]) for side, policy in sides.items()},
        hours=hours,
        scratch=scratch,
    )


def _compared(con: duckdb.DuckDBPyConnection, ladder: str, sides: dict[str, Policy]) -> Comparison:
    details: dict[str, list[str]] = defaultdict(list)
    for partner_id, detail in con.execute(
        f"select partner_id, detail from {SIMULATION}.simulated_reasons where ladder = ? order by partner_id, position",
        [ladder],
    ).fetchall():
        details[partner_id].append(detail)
    movers = con.execute(
        f"""
        select
            d.partner_number, d.partner_name, d.partner_id, d.today_level, d.proposed_level, d.direction,
            d.today_score, d.proposed_score
        from {SIMULATION}.simulated_differences as d
        left join {SIMULATION}.ladder_levels as l
            on l.side = 'proposed' and d.ladder = l.ladder and d.proposed_level = l.level
        where d.ladder = ?
        order by
            l.level_rank, d.proposed_score desc nulls last, d.today_score desc nulls last, d.partner_number,
            d.partner_id
        """,
        [ladder],
    ).fetchall()
    reasons = con.execute(
        f"select direction, reason, count(distinct partner_id) from {SIMULATION}.simulated_reasons where ladder = ? "
        "group by direction, reason order by 3 desc, 1, 2",
        [ladder],
    ).fetchall()
    sizes = con.execute(
        f"select quarter, side, level, capacity, partners, hours_needed from {SIMULATION}.simulated_sizes "
        "where ladder = ? order by quarter_index, side desc, level_rank",
        [ladder],
    ).fetchall()
    moves = con.execute(
        f"""
        select
            q.quarter, q.side,
            count(*) filter (m.move = 'promoted'), count(*) filter (m.move = 'demoted'),
            count(*) filter (m.move = 'entered'), count(*) filter (m.move = 'exited'), count(m.undoes_quarter)
        from (
            select distinct ladder, quarter_index, quarter, side from {SIMULATION}.simulated_sizes where ladder = ?
        ) as q
        left join {SIMULATION}.simulated_moves as m
            on q.ladder = m.ladder and q.side = m.side and q.quarter_index = m.quarter_index
        group by q.quarter_index, q.quarter, q.side
        order by q.quarter_index, q.side desc
        """,
        [ladder],
    ).fetchall()
    (partners,) = con.execute(
        f"select count(distinct partner_id) from {SIMULATION}.simulated_levels where ladder = ? and quarter_index = "
        f"(select max(quarter_index) from {SIMULATION}.simulated_levels)",
        [ladder],
    ).fetchall()[0]
    return Comparison(
        ladder=ladder,
        levels={
            side: [level.level for level in policy.document.ladders[ladder].levels] for side, policy in sides.items()
        },
        partners=partners,
        movers=[
            Mover(
                partner_number=number,
                partner_name=name,
                partner_id=partner_id,
                today=level_today,
                proposed=level_proposed,
                direction=direction,
                why=details[partner_id],
                today_score=score_today,
                proposed_score=score_proposed,
            )
            for number, name, partner_id, level_today, level_proposed, direction, score_today, score_proposed in movers
        ],
        reasons=[Reason(*row) for row in reasons],
        sizes=[Size(*row) for row in sizes],
        moves=[Moves(*row) for row in moves],
    )

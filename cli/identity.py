"""`segments identity ...`: what may be one partner, how somebody settles it, and how good the rules are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import duckdb
import typer

from cli.common import Config, guarded, out, released_of
from pipelines import release as releases_room
from pipelines.errors import InputError
from pipelines.identity import (
    ITSELF,
    Written,
    crosswalk_file,
    crosswalk_of_last_run,
    find_record,
    known_records,
    link_records,
    pairs_waiting,
    read_crosswalk,
    unlink_record,
)

if TYPE_CHECKING:
    from pipelines.identity_evaluation import Evaluation, Judged
    from pipelines.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Which records are one partner: what a person should look at, how to settle it, how good the rules are.",
)

Why = Annotated[str, typer.Option("--why", help="For whoever reads the crosswalk next year.")]
By = Annotated[str, typer.Option("--by", help="Who says so.")]
Record = Annotated[
    str, typer.Argument(help="A record as source/id, an id, or the number of a partner with one record.")
]


@app.command("review")
@guarded
def identity_review(
    config: Config = None,
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many pairs; 0 = all.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """The pairs of partners that may be one, the likeliest first, without those the crosswalk has settled since."""
    places, settings = released_of(config)
    with releases_room.reader(places) as con:
        try:
            result = con.execute(
                "select * from identity_candidates "
                "order by similarity desc, reason, source, source_id, other_source, other_source_id"
            )
        except duckdb.CatalogException:
            raise InputError(
                "the current release was made before there was a queue", next_step="segments run"
            ) from None
        names = [column[0] for column in result.description or []]
        rows = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    said = read_crosswalk(settings, list(settings.sources))
    waiting = pairs_waiting(rows, said, crosswalk_of_last_run(places))
    shown = waiting if limit == 0 else waiting[:limit]
    if as_json:
        print(json.dumps(shown, default=str, indent=2))
        return
    for row in shown:
        _print_pair(row)
    settled = len(rows) - len(waiting)
    out.print(
        f"{len(waiting)} pair{'' if len(waiting) == 1 else 's'} to look at"
        + (f", {len(shown)} shown (--limit 0 shows all)" if len(shown) < len(waiting) else "")
        + (f"; {settled} touched by the crosswalk since this release" if settled else ""),
        style="dim",
    )


def _print_pair(row: Mapping[str, Any]) -> None:
    one, other = (f"{row[f'{side}source']}/{row[f'{side}source_id']}" for side in ("", "other_"))
    width = max(len(one), len(other))
    out.print(f"{row['similarity']}  {row['detail']}", markup=False, soft_wrap=True)
    out.print(f"       {one:<{width}}  {row['evidence']}", markup=False, soft_wrap=True)
    out.print(f"       {other:<{width}}  {row['other_evidence']}", markup=False, soft_wrap=True)
    out.print(f"       {row['settled_by']}\n", markup=False, soft_wrap=True)


@app.command("link")
@guarded
def identity_link(one: Record, other: Record, config: Config = None, why: Why = "", by: By = "") -> None:
    """Say that two records are one partner: a row of the crosswalk, which takes effect at the next run."""
    places, settings = released_of(config)
    records = known_records(places)
    a, b = find_record(records, one), find_record(records, other)
    done = link_records(settings, records, a, b, why=why, by=by)
    _tell(settings, done, f"belongs to {done.partner_number}")


@app.command("unlink")
@guarded
def identity_unlink(record: Record, config: Config = None, why: Why = "", by: By = "") -> None:
    """Say that a record is a partner of its own, whatever its account id, domain and name suggest, for good."""
    places, settings = released_of(config)
    found = find_record(known_records(places), record)
    _tell(settings, unlink_record(settings, found, why=why, by=by), "is a partner of its own")


def _tell(settings: Settings, done: Written, what: str) -> None:
    who = f"{done.record.address} ({done.record.name})"
    if not done.has_changed:
        out.print(f"{who} {what}: {done.file.name} says so already", markup=False, soft_wrap=True)
    else:
        before = "is a partner of its own" if done.before == ITSELF else f"belongs to {done.before}"
        replaced = f" (it said: {before})" if done.before is not None else ""
        out.print(
            f"{who} {what}: written to {done.file.name}{replaced}; takes effect at the next run",
            markup=False,
            soft_wrap=True,
        )
    if crosswalk_file(settings) is None:
        out.print(
            f"no run reads it yet; add to {settings.file.name}:\n  identity: {{crosswalk: {done.file.name}}}",
            markup=False,
        )


# -- how good the rules are --------------------------------------------------------------------------------------------


@app.command("evaluate")
@guarded
def identity_evaluate(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV with the columns left_name, right_name and same; source, id, domain, country, crm_account_id and "
            "partner_number of either side where known, e.g. left_domain. name_a and name_b, name1 and name2, label or "
            "is_match are understood too. Answers: yes or no, 1 or 0, true or false. "
            "A line: Acme GmbH,ACME,yes"
        ),
    ],
    show: Annotated[bool, typer.Option("--show", help="Also the pairs that were linked wrongly or missed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Hold the rules against labelled pairs: precision and recall of links, and of links and queue together."""
    from pipelines.identity_evaluation import evaluate_pairs, read_pairs

    found = evaluate_pairs(read_pairs(file))
    if as_json:
        print(json.dumps(_as_json(found), indent=2))
        return
    counts = {what: (found.count(what, is_same=True), found.count(what, is_same=False)) for what in _OUTCOMES}
    same = sum(yes for yes, _ in counts.values())
    out.print(
        f"{len(found.judged)} pairs of {found.record_count} records of {found.source_count} systems: "
        f"{same} the same partner, {len(found.judged) - same} two"
    )
    out.print(f"\n{'':<22}{'same':>8}{'two':>8}")
    for what, words in _OUTCOMES.items():
        out.print(f"{words:<22}{counts[what][0]:>8}{counts[what][1]:>8}")
    out.print(f"\n{'':<22}{'precision':>10}{'recall':>10}")
    for words, outcomes in (("automatic links", ("linked",)), ("links and queue", ("linked", "queued"))):
        shares = (found.precision(*outcomes), found.recall(*outcomes))
        out.print(f"{words:<22}" + "".join(f"{_share(share):>10}" for share in shares))
    if show:
        _print_wrong("linked, and two partners", found.wrong_links)
        _print_wrong("the same, and neither linked nor queued", found.missed)
    elif found.wrong_links or found.missed:
        out.print(
            f"\n{len(found.wrong_links)} linked wrongly, {len(found.missed)} missed: --show names them", style="dim"
        )


_OUTCOMES = {"linked": "linked", "queued": "put to a person", "apart": "kept apart"}


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _print_wrong(title: str, pairs: list[Judged]) -> None:
    out.print(f"\n{title}: {len(pairs)}")
    for one in pairs:
        rule = f" by {one.rule}" if one.rule else ""
        out.print(f"  line {one.pair.line}{rule}", markup=False)
        for record in (one.pair.left, one.pair.right):
            said = ", ".join(x for x in (record.name, record.domain, record.country) if x)
            out.print(f"    {record.source}/{record.source_id}  {said}", markup=False, soft_wrap=True)


def _as_json(found: Evaluation) -> dict[str, Any]:
    def pairs(some: list[Judged]) -> list[dict[str, Any]]:
        return [
            {"line": x.pair.line, "rule": x.rule or None, "left": x.pair.left.__dict__, "right": x.pair.right.__dict__}
            for x in some
        ]

    return {
        "pairs": len(found.judged),
        "records": found.record_count,
        "systems": found.source_count,
        "counts": {
            what: {"same": found.count(what, is_same=True), "two": found.count(what, is_same=False)}
            for what in _OUTCOMES
        },
        "links": {"precision": found.precision("linked"), "recall": found.recall("linked")},
        "links_and_queue": {
            "precision": found.precision("linked", "queued"),
            "recall": found.recall("linked", "queued"),
        },
        "wrong_links": pairs(found.wrong_links),
        "missed": pairs(found.missed),
    }

"""One incident, one message: opened, counted, escalated, reminded of, closed; by events alone, on a real webhook."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from data_quality.suite import compares, read_suites
from pipelines.alerts import close, journal, overheard, settle_execution, watching
from pipelines.alerts.findings import keys_of, tidy
from pipelines.errors import Busy, ConfigError, GateRefused, InputError
from pipelines.events import emit
from tests.alerts.conftest import (
    Desk,
    Webhook,
    begun,
    failed_expectation,
    good_run,
    judged,
    landed,
    released,
    run_failed,
)

SHRUNK = InputError("source crm: Opportunity.csv: 10 rows, below 80% of the last load's 100: table kept, run stopped")
TRUNCATED = run_failed(
    source="crm", table="opportunity", trouble="truncated", message=SHRUNK.message, next_step="export it again"
)


def test_a_failure_that_repeats_is_told_once_and_its_recovery_once(desk: Desk, webhook: Webhook) -> None:
    desk.configure(desk.target(webhook.url))
    for _ in range(3):
        desk.run(TRUNCATED, fails=SHRUNK)
    assert webhook.titles == ["[CRITICAL] acme: the run failed at extract: crm.opportunity is cut short or incomplete"]
    message = webhook.got[0]["message"]
    assert webhook.got[0]["type"] == "failure"
    for part in (
        "below 80% of the last load's 100",
        "truncated:crm.opportunity",
        "where: deployment acme, source crm, table opportunity, step extract",
        "since: 2026-10-05 06:00 UTC",
        "quarter: 2026Q3",
        "owner: CRM team",
        "kept back: nothing was released yet",
        f"reproduce: segments run --rehearse --quarter 2026Q3 --config {desk.folder / 'segments.yml'}",
        "next: export it again",
        "incident: run_failed:extract/crm.opportunity",
    ):
        assert part in message, message
    assert desk.book.open["truncated:crm.opportunity"].runs == 3
    desk.at("2026-10-06T06:00:00Z")
    desk.run(*good_run())
    assert webhook.titles[1:] == [
        "[RECOVERED] acme: the run failed at extract: crm.opportunity is cut short or incomplete"
    ]
    assert "since: 2026-10-05 06:00 UTC, seen by 3 runs" in webhook.got[1]["message"]
    assert "recovered: 2026-10-06 06:00 UTC" in webhook.got[1]["message"]
    assert webhook.got[1]["type"] == "success"
    assert desk.book.open == {}
    desk.run(*good_run())
    assert len(webhook.got) == 2


def test_a_run_that_stopped_early_closes_nothing_of_later_steps(desk: Desk, webhook: Webhook) -> None:
    desk.configure(desk.target(webhook.url))
    desk.run(landed(), begun(), failed_expectation("amounts_are_likely"), judged(), released())
    desk.run(run_failed(source="portal", message="source portal: down"), fails=InputError("source portal: down"))
    assert "expectation_failed:opportunities/amounts_are_likely" in desk.book.open
    assert not any(title.startswith("[RECOVERED]") for title in webhook.titles)
    desk.run(*good_run())
    assert desk.book.open == {}


def test_a_source_that_was_not_read_keeps_its_incident(desk: Desk) -> None:
    unread = ("source_unread", {"source": "crm", "message": "source crm: down: going on", "next_step": "look"})
    desk.run(unread, landed("portal", "partners"), begun(), judged(), released())
    assert set(desk.book.open) == {"source_down:crm"}
    desk.run(landed("portal", "partners"), begun(), judged(), released())
    assert set(desk.book.open) == {"source_down:crm"}
    desk.run(landed(), begun(), judged(), released())
    assert desk.book.open == {}


@pytest.mark.parametrize("is_judged", [True, False])
def test_a_source_that_is_taken_out_ends_its_incidents_and_repairs_nothing(
    desk: Desk, webhook: Webhook, is_judged: bool
) -> None:
    target = desk.target(webhook.url)
    desk.configure(target)
    sample = ["source=crm, table_name=account, column_name=amount, emptied=9 of 10"]
    shown = failed_expectation(
        "columns_stay_filled", "deployment.load_changes", sample=sample, places=[["crm", "account"]]
    )
    gone = ("columns_changed", {"source": "crm", "table": "account", "gone": ["region"], "new": []})
    unread = ("source_unread", {"source": "crm", "message": "source crm: down: going on"})
    desk.run(unread, gone, begun(), shown, judged(), released())
    assert len(desk.book.open) == 3
    desk.configure(target, sources={"portal": {"connector": "files", "options": {"kind": "prm"}}})
    before = len(webhook.got)
    if is_judged:
        desk.run(landed("portal", "partners"), begun(), judged(), released())
    else:
        desk.run(landed("portal", "partners"))
    assert desk.book.open == {}
    over = webhook.got[before:]
    assert sorted(one["title"] for one in over) == [
        "[CLOSED] acme: crm.account has changed its columns",
        "[CLOSED] acme: source crm could not be read",
    ]
    for one in over:
        assert "closed: 2026-10-05 06:00 UTC, by the deployment file: source crm was taken out" in one["message"]
        assert "recover" not in one["message"]


def test_what_a_run_still_shows_of_a_source_that_is_taken_out_stays_open(desk: Desk) -> None:
    desk.configure(sources={"portal": {"connector": "files", "options": {"kind": "prm"}}})
    late = failed_expectation("late", "deployment.loads", sample=["source=crm, load_id=l1"], places=[["crm", ""]])
    for _ in range(2):
        desk.run(landed("portal", "partners"), begun(), late, judged(), released())
    assert {key: one.runs for key, one in desk.book.open.items()} == {"expectation_failed:crm/late": 2}


def test_a_run_for_an_earlier_quarter_proves_nothing_about_a_later_one(desk: Desk) -> None:
    desk.run(landed(), begun("2026Q3"), failed_expectation("amounts_are_likely"), judged())
    desk.run(landed(), begun("2026Q2"), judged(), is_rehearsal=True)
    assert len(desk.book.open) == 1
    desk.run(landed(), begun("2026Q4"), judged(), is_rehearsal=True)
    assert desk.book.open == {}


def test_a_reproduction_of_a_past_state_is_no_news(desk: Desk, webhook: Webhook) -> None:
    desk.configure(desk.target(webhook.url))
    desk.run(begun(), failed_expectation("x", refuses=True), judged("refuse"), is_look_back=True)
    assert webhook.got == []
    assert desk.book.every() == []


def test_the_steps_of_a_reproduction_are_no_news_either(desk: Desk, webhook: Webhook) -> None:
    settings = desk.configure(desk.target(webhook.url))
    late = failed_expectation("amounts_are_likely")
    desk.run(begun(), late, judged(), released())

    def reproduced(execution: str, *, is_outside: bool = False) -> None:
        with nullcontext() if is_outside else watching(settings, is_look_back=True):
            for event, fields in (begun(), failed_expectation("x", refuses=True), judged()):
                with overheard(settings, execution, is_look_back=is_outside):
                    emit(event, event, **{name: value for name, value in fields.items() if name != "message"})

    desk.monkeypatch.delenv("DAGSTER_HOME", raising=False)
    reproduced("run-1")
    desk.monkeypatch.setenv("DAGSTER_HOME", str(desk.folder))
    reproduced("run-2")
    reproduced("run-3", is_outside=True)
    assert list(desk.store.runs.iterdir()) == []
    for execution in ("run-2", "run-3"):
        settle_execution(settings, execution, failed="a daemon saw it end", is_rehearsal=False)
    assert webhook.titles == ["[WARNING] acme: opportunities: 1 expectation failed"]
    assert set(desk.book.open) == {"expectation_failed:opportunities/amounts_are_likely"}
    desk.run(*good_run())
    assert desk.book.open == {}, "a command after it is heard again"


def test_an_address_with_letters_of_any_language_is_hidden_and_loses_nothing(desk: Desk) -> None:
    said = [failed_expectation("late", sample=["id=1"])]
    desk.run(begun(), *said, judged())
    rows = ["id=1, owner_id=jörg@x.com", "ask\nx@müller.de", 'as {"mail": "k\\u00f6rb\\u00e9@x.de"}']
    fields = {"about": {"jürgen@x.de": ({"ß@ö.de"}, 1.5, True, None, Path("é@x.fr"))}}
    kept: list[str] = []
    desk.monkeypatch.setattr(journal, "read", _kept(kept, journal.read))
    desk.run(begun(), failed_expectation("late", message="for jörg@x.com", sample=rows, **fields), judged())
    assert set(desk.book.open) == {"expectation_failed:opportunities/late"}
    (text,) = kept
    line = next(one for one in map(json.loads, text.splitlines()) if one["event"] == "expectation_failed")
    assert line["message"] == "for (address hidden)"
    assert line["fields"]["sample"] == [
        "id=1, owner_id=(address hidden)", "ask\n(address hidden)", 'as {"mail": "(address hidden)"}',
    ]  # fmt: skip
    hidden = "(address hidden)"
    assert line["fields"]["about"] == {hidden: [[hidden], 1.5, True, None, hidden]}
    assert "j(" not in text
    assert "ller.de" not in text


def _kept(texts: list[str], read: Callable[[Path], list[journal.Line]]) -> Callable[[Path], list[journal.Line]]:
    """A journal is read as ever, and a copy of it is kept for the test."""

    def keep(path: Path) -> list[journal.Line]:
        texts.append(path.read_text(encoding="utf-8"))
        return read(path)

    return keep


def test_what_rises_is_told_again(desk: Desk, webhook: Webhook) -> None:
    desk.configure(desk.target(webhook.url))
    unread = ("source_unread", {"source": "crm", "message": "source crm: down: going on"})
    desk.run(unread, begun(), judged(), released())
    desk.run(unread, begun(), judged(), released())
    down = InputError("source crm: down")
    desk.run(run_failed(source="crm", message="source crm: down"), fails=down)
    desk.run(run_failed(source="crm", message="source crm: down"), fails=down)
    assert webhook.titles == [
        "[WARNING] acme: source crm could not be read",
        "[CRITICAL] acme: the run failed at extract: source crm could not be read",
    ]


def test_a_rehearsal_warns_and_the_release_that_is_refused_escalates(desk: Desk, webhook: Webhook) -> None:
    desk.configure(desk.target(webhook.url, events=["release_refused"]))
    refused = (landed(), begun(), failed_expectation("amounts_add_up", refuses=True), judged("refuse"))
    desk.run(*refused, fails=GateRefused("refused"), is_rehearsal=True)
    desk.run(*refused, fails=GateRefused("refused"))
    desk.run(*refused, fails=GateRefused("refused"), is_rehearsal=True)
    assert webhook.titles == [
        "[WARNING] acme: release of 2026Q3 refused over opportunities",
        "[CRITICAL, was warning] acme: release of 2026Q3 refused over opportunities",
    ]
    desk.run(landed(), begun(), judged(), is_rehearsal=True)
    assert "release_refused:2026Q3" in desk.book.open, "a good rehearsal is no release"
    desk.run(*good_run())
    assert webhook.titles[-1] == "[RECOVERED] acme: release of 2026Q3 refused"


@pytest.mark.parametrize("only", [None, "critical"])
def test_a_rehearsal_wakes_nobody_and_the_release_that_is_refused_carries_its_causes(
    desk: Desk, webhook: Webhook, only: str | None
) -> None:
    desk.configure(desk.target(webhook.url, **({"min_severity": only} if only else {})))
    causes = [failed_expectation(name, refuses=True, level=40) for name in ("amounts_add_up", "no_deal_twice")]
    refused = (landed(), begun(), *causes, judged("refuse"), ("release_refused", {"candidate": "2026Q3-abc"}))
    desk.run(*refused, fails=GateRefused("refused"), is_rehearsal=True)
    rehearsed = ["[WARNING] acme: release of 2026Q3 refused over opportunities"]
    assert webhook.titles == ([] if only else rehearsed)
    desk.run(*refused, fails=GateRefused("refused"))
    real = "[CRITICAL, was warning] acme: release of 2026Q3 refused over opportunities"
    assert webhook.titles[-1] == (real.replace(", was warning", "") if only else real)
    assert len(webhook.got) == (1 if only else 2)
    for name in ("amounts_add_up", "no_deal_twice"):
        assert f"  - expectation_failed:opportunities/{name}: " in webhook.got[-1]["message"]
    desk.run(*refused, fails=GateRefused("refused"), is_rehearsal=True)
    assert len(webhook.got) == (1 if only else 2), "a rehearsal takes nothing back and adds nothing"
    assert {one.severity for one in desk.book.open.values()} == {"critical"}


def test_a_target_that_asks_for_refusals_alone_is_told_why(desk: Desk, webhook: Webhook) -> None:
    desk.configure(desk.target(webhook.url, events=["release_refused"]))
    desk.run(landed(), begun(), failed_expectation("x", refuses=True), judged("refuse"), fails=GateRefused("refused"))
    assert webhook.titles == ["[CRITICAL] acme: release of 2026Q3 refused over opportunities"]
    assert "  - expectation_failed:opportunities/x: " in webhook.got[0]["message"]


def test_what_goes_on_is_told_again_after_remind_after_with_counts(desk: Desk, webhook: Webhook) -> None:
    desk.configure(desk.target(webhook.url, remind_after_hours=48))
    late = failed_expectation("amounts_are_likely")
    for day in ("05", "06", "07", "08"):
        desk.at(f"2026-10-{day}T06:00:00Z")
        desk.run(landed(), begun(), late, judged(), released())
    assert webhook.titles == [
        "[WARNING] acme: opportunities: 1 expectation failed",
        "[WARNING, goes on] acme: opportunities: 1 expectation failed",
    ]
    assert "since: 2026-10-05 06:00 UTC, seen by 3 runs, last 2026-10-07 06:00 UTC" in webhook.got[1]["message"]


def test_expectations_of_one_table_are_one_message_with_a_list(desk: Desk, webhook: Webhook) -> None:
    desk.configure(desk.target(webhook.url))
    names = [f"rule_{number}" for number in range(8)]
    accounts = failed_expectation("names_are_there", table="accounts")
    desk.run(begun(), *(failed_expectation(name) for name in names), accounts, judged(), released())
    assert sorted(webhook.titles) == [
        "[WARNING] acme: accounts: 1 expectation failed",
        "[WARNING] acme: opportunities: 8 expectations failed",
    ]
    message = next(one["message"] for one in webhook.got if "8 expectations" in one["title"])
    assert "also:\n  - expectation_failed:opportunities/rule_1: " in message
    assert "and 2 more: segments alerts list" in message
    assert len(desk.book.open) == 9


def test_a_refusal_is_one_message_with_its_causes_partners_and_keys(desk: Desk, webhook: Webhook) -> None:
    desk.configure(desk.target(webhook.url))
    causes = [
        failed_expectation(
            "amounts_add_up", refuses=True, partners=[f"P-{n:03}" for n in range(12)], at_risk=["P-001", "P-002"],
            sample=["id=006A1, partner_name=Acme Ltd, contact_email=(address hidden)"],
        ),
        failed_expectation("every_account_has_a_name", table="accounts", refuses=True),
    ]  # fmt: skip
    refused = (landed(), begun(), *causes, judged("refuse"), ("release_refused", {"candidate": "2026Q3-abc"}))
    end = run_failed("release", kind="refused", message="candidate refused")
    desk.run(*refused, end, fails=GateRefused("refused"))
    desk.run(*refused, end, fails=GateRefused("refused"))
    assert webhook.titles == ["[CRITICAL] acme: release of 2026Q3 refused over opportunities, accounts"]
    message = webhook.got[0]["message"]
    assert "  - expectation_failed:opportunities/amounts_add_up: " in message
    assert "  - expectation_failed:accounts/every_account_has_a_name: " in message
    assert "partners: 12 touched (P-000, P-001, P-002, P-003, P-004 ...); 2 whose level could differ" in message
    assert "keys: id=006A1" in message
    assert "Acme Ltd" not in message
    assert "segments run --rehearse --quarter 2026Q3 --known-at 2026-10-05T06:00:01 --config" in message
    third = failed_expectation("no_deal_twice", table="deals", refuses=True)
    desk.run(*refused[:2], *causes, third, *refused[-2:], end, fails=GateRefused("refused"))
    assert webhook.titles[1:] == ["[CRITICAL] acme: deals: 1 expectation failed"], "a cause that is new is told"


def refused_for(quarter: str) -> tuple[tuple[str, dict], ...]:
    return begun(quarter), failed_expectation("amounts_add_up", refuses=True), judged("refuse")


def released_for(quarter: str) -> tuple[tuple[str, dict], ...]:
    return begun(quarter), ("candidate_built", {}), judged(), released(is_new=True, release=f"{quarter}-abc")


CAUSE = "expectation_failed:opportunities/amounts_add_up"


def test_an_earlier_quarter_that_is_released_ends_no_refusal_of_a_later_one(desk: Desk, webhook: Webhook) -> None:
    desk.configure(desk.target(webhook.url))
    desk.run(landed(), *refused_for("2026Q3"), fails=GateRefused("refused"))
    desk.run(landed(), *refused_for("2026Q2"), fails=GateRefused("refused"), quarter="2026Q2")
    desk.run(landed(), *released_for("2026Q2"), quarter="2026Q2")
    assert set(desk.book.open) == {"release_refused:2026Q3", CAUSE}
    assert webhook.titles == [
        "[CRITICAL] acme: release of 2026Q3 refused over opportunities",
        "[CRITICAL] acme: release of 2026Q2 refused over opportunities",
        "[RECOVERED] acme: release of 2026Q2 refused",
    ]
    desk.run(landed(), *released_for("2026Q3"))
    assert desk.book.open == {}
    assert webhook.titles[3:] == ["[RECOVERED] acme: release of 2026Q3 refused over opportunities"]


def test_what_an_earlier_quarter_shows_counts_for_a_later_one_and_makes_it_no_less(desk: Desk) -> None:
    desk.run(landed(), *refused_for("2026Q3"), fails=GateRefused("refused"))
    before = desk.book.open[CAUSE]
    desk.run(
        landed(), begun("2026Q2"), failed_expectation("amounts_add_up", message="less"), judged(), quarter="2026Q2"
    )
    after = desk.book.open[CAUSE]
    assert (after.quarter, after.severity, after.runs) == ("2026Q3", "critical", 2)
    assert (after.says, after.reproduce, after.part_of) == (before.says, before.reproduce, "release_refused:2026Q3")


def test_an_incident_that_another_version_called_differently_is_the_same(desk: Desk) -> None:
    desk.run(landed(), *refused_for("2026Q3"), fails=GateRefused("refused"))
    file = desk.store.folder / "incidents.json"
    book = json.loads(file.read_text())
    book["open"]["release_refused"] = book["open"].pop("release_refused:2026Q3")
    file.write_text(json.dumps(book))
    desk.run(landed(), *refused_for("2026Q3"), fails=GateRefused("refused"))
    assert {key: one.runs for key, one in desk.book.open.items()} == {"release_refused:2026Q3": 2, CAUSE: 2}


def test_the_quarter_after_one_that_is_made_up_for_is_refused_by_the_same_rule(desk: Desk, webhook: Webhook) -> None:
    desk.configure(desk.target(webhook.url))
    desk.run(landed(), *refused_for("2026Q2"), fails=GateRefused("refused"))
    desk.run(landed(), *released_for("2026Q2"), *refused_for("2026Q3"), fails=GateRefused("refused"))
    assert webhook.titles == [
        "[CRITICAL] acme: release of 2026Q2 refused over opportunities",
        "[RECOVERED] acme: release of 2026Q2 refused",
        "[CRITICAL] acme: release of 2026Q3 refused over opportunities",
    ]
    assert "2026Q2 was released" in webhook.got[1]["message"]
    assert f"causes:\n  - {CAUSE}: " in webhook.got[2]["message"], "known as it is, it is why"
    desk.run(landed(), *released_for("2026Q3"))
    assert desk.book.open == {}
    assert webhook.titles[3:] == ["[RECOVERED] acme: release of 2026Q3 refused over opportunities"]


def test_a_recovery_names_the_quarter_that_was_released(desk: Desk, webhook: Webhook) -> None:
    desk.configure(desk.target(webhook.url, events=["release_refused"]))
    desk.run(landed(), *refused_for("2026Q2"), fails=GateRefused("refused"))
    failed = run_failed("shape", kind="build")
    desk.run(landed(), *released_for("2026Q2"), begun("2026Q3"), failed, fails=Busy("stands for any failure"))
    assert webhook.titles[1:] == ["[RECOVERED] acme: release of 2026Q2 refused"]
    assert ": 2026Q2 was released" in webhook.got[1]["message"]
    assert set(desk.book.open) == {CAUSE, "run_failed:shape"}, "the run did not come to judge the last quarter"


def test_a_target_gets_the_kinds_and_severities_it_asks_for(desk: Desk, webhook: Webhook) -> None:
    desk.configure(
        desk.target(webhook.url, events=["released"]),
        desk.target(webhook.url, "duty", min_severity="critical"),
    )
    desk.run(landed(), begun(), failed_expectation("amounts_are_likely"), judged(), released(is_new=True))
    desk.run(landed(), begun(), failed_expectation("amounts_are_likely"), judged(), released())
    assert webhook.titles == ["[INFO] acme: release 2026Q3-abc is out"]
    assert {one.kind for one in desk.book.every()} == {"released", "expectation_failed"}


def test_the_keys_of_earlier_versions_mean_what_they_meant(desk: Desk, webhook: Webhook) -> None:
    desk.configure(desk.target(webhook.url, events=["run_failed", "release_refused", "released"]))
    desk.run(begun(), failed_expectation("warned"), judged(), released(is_new=True))
    desk.run(TRUNCATED, fails=SHRUNK)
    assert webhook.titles == [
        "[INFO] acme: release 2026Q3-abc is out",
        "[CRITICAL] acme: the run failed at extract: crm.opportunity",
    ]


@pytest.mark.parametrize(
    ("said", "key"),
    [
        (("table_missing", {"source": "crm", "table": "account"}), "truncated:crm.account"),
        (("nothing_listed", {"source": "crm", "table": "account"}), "truncated:crm.account"),
        (("drop_outdated", {"source": "crm", "table": "account"}), "stale:crm.account"),
        (("table_not_readable", {"source": "crm", "table": "account"}), "schema_changed:crm.account"),
        (("columns_changed", {"source": "crm", "table": "account", "gone": ["region"], "new": []}),
         "schema_changed:crm.account"),
        (failed_expectation("sources_were_read_after_the_quarter", "deployment.loads",
                            sample=["source=crm, last_read=2026-06-01"]),
         "stale:crm/sources_were_read_after_the_quarter"),
        (failed_expectation("full_load_did_not_shrink", "deployment.loads",
                            sample=["source=crm, table_name=account, rows=1, previous_rows=9"]),
         "truncated:crm.account/full_load_did_not_shrink"),
    ],
)  # fmt: skip
def test_every_kind_of_trouble_with_an_input_has_its_key(desk: Desk, said: tuple[str, dict], key: str) -> None:
    desk.run(begun(), said, judged(), released())
    assert set(desk.book.open) == {key}


def test_what_is_wrong_with_loads_is_told_per_source_and_table_and_to_its_owner(desk: Desk, webhook: Webhook) -> None:
    desk.configure(desk.target(webhook.url))
    sample = [
        "source=crm, table_name=account, column_name=amount, scaled=9 of 10",
        "source=portal, table_name=partners, column_name=amount, scaled=9 of 10",
    ]
    desk.run(begun(), failed_expectation("numbers_keep_their_unit", "deployment.load_changes", sample=sample), judged())
    assert set(desk.book.open) == {
        "expectation_failed:crm.account/numbers_keep_their_unit",
        "expectation_failed:portal.partners/numbers_keep_their_unit",
    }
    owners = {one["title"].split(": ")[1]: one["message"] for one in webhook.got}
    assert "owner: CRM team" in owners["crm.account"]
    assert "owner: partner operations" in owners["portal.partners"]
    assert "keys: source=crm, table_name=account, column_name=amount" in owners["crm.account"]


def emptied(*columns: str, told: bool = True) -> tuple[str, dict]:
    """The gate found these columns emptied and shows five of them, sorted; `told`: it names all their tables."""
    rows = sorted("source=crm, table_name={}, column_name={}, emptied=9 of 10".format(*x.split(".")) for x in columns)
    places = sorted({("crm", name.split(".")[0]) for name in columns})
    known = {"places": places} if told else {}
    return failed_expectation(
        "columns_stay_filled", "deployment.load_changes", suite="load_changes", sample=rows[:5], **known
    )


@pytest.mark.parametrize("told", [True, False])
def test_a_table_that_the_sample_does_not_show_is_as_broken(desk: Desk, webhook: Webhook, told: bool) -> None:
    desk.configure(desk.target(webhook.url))
    five = [f"account.{letter}" for letter in "abcde"]
    deals, accounts, users = (
        f"schema_changed:crm.{table}/columns_stay_filled" for table in ("opportunity", "account", "user")
    )
    desk.run(landed(), begun(), emptied("opportunity.amount", told=told), judged(), released())
    desk.run(landed(), begun(), emptied("opportunity.amount", *five, "user.name", told=told), judged(), released())
    assert set(desk.book.open) == ({deals, accounts, users} if told else {deals, accounts})
    assert not any("RECOVERED" in title for title in webhook.titles)
    if told:
        message = next(one["message"] for one in webhook.got if "crm.user" in one["title"])
        assert "what: crm.user as well: " in message
        assert "keys: source=crm, table_name=user" in message
    desk.run(landed(), begun(), emptied("user.name", told=told), judged(), released())
    assert set(desk.book.open) == ({users} if told else {deals, accounts, users}), "closed when it is proven alone"
    desk.run(*good_run())
    assert desk.book.open == {}


def test_a_gate_that_could_not_ask_proves_nothing(desk: Desk) -> None:
    desk.run(begun(), emptied("account.name"), failed_expectation("late"), judged(), released())
    before = set(desk.book.open)
    raised = failed_expectation("columns_stay_filled", "deployment.load_changes", suite="load_changes", raised=True)
    desk.run(begun(), raised, failed_expectation("late"), judged("refuse"), fails=GateRefused("refused"))
    assert before <= set(desk.book.open)
    shut = failed_expectation("files_can_be_opened", "candidate", suite="gate", raised=True, refuses=True)
    desk.run(begun(), shut, judged("refuse"), fails=GateRefused("refused"))
    assert before <= set(desk.book.open)


def test_the_owner_of_rows_is_that_of_the_source_they_name(desk: Desk) -> None:
    desk.run(
        begun(), failed_expectation("late", sample=["source=crm, source_id=006A, close_date=2026-01-01"]), judged()
    )
    assert desk.book.open["expectation_failed:opportunities/late"].owner == "CRM team"


def test_what_a_person_has_overruled_is_a_warning(desk: Desk) -> None:
    overruled = failed_expectation("amounts_add_up", severity="critical", refuses=False)
    desk.run(landed(), begun(), overruled, judged(), released())
    assert {key: one.severity for key, one in desk.book.open.items()} == {
        "expectation_failed:opportunities/amounts_add_up": "warning"
    }


def test_columns_that_are_gone_stay_an_incident_until_they_are_back_or_a_person_says_so(desk: Desk) -> None:
    gone = ("columns_changed", {"source": "crm", "table": "account", "gone": ["region"], "new": []})
    desk.run(gone, *good_run())
    desk.run(*good_run())
    assert set(desk.book.open) == {"schema_changed:crm.account"}
    desk.run(("columns_changed", {"source": "crm", "table": "account", "gone": [], "new": ["region"]}), *good_run())
    assert desk.book.open == {}


def test_columns_that_go_one_after_the_other_come_back_one_by_one(desk: Desk) -> None:
    def changed(*, gone: str = "", new: str = "") -> tuple[str, dict[str, object]]:
        return "columns_changed", {"source": "crm", "table": "account", "gone": gone.split(), "new": new.split()}

    def waits_for() -> list[str]:
        return [name for one in desk.book.open.values() for name in one.columns]

    desk.run(changed(gone="region"), changed(gone="size"), *good_run())
    assert waits_for() == ["region", "size"]
    desk.run(changed(gone="city"), *good_run())
    assert waits_for() == ["region", "size", "city"]
    desk.run(changed(new="city size"), *good_run())
    assert waits_for() == ["region"]
    desk.run(changed(new="region"), *good_run())
    assert desk.book.open == {}


def test_some_of_a_group_that_are_over_do_not_end_the_rest(desk: Desk, webhook: Webhook) -> None:
    desk.configure(desk.target(webhook.url), desk.target("file://./told.jsonl", "log"))
    one, two, three = (failed_expectation(name) for name in ("first", "second", "third"))
    desk.run(landed(), begun(), one, two, three, judged(), released())
    desk.run(landed(), begun(), two, three, judged(), released())
    desk.run(landed(), begun(), three, judged(), released())
    desk.run(*good_run())
    assert [(told["title"], told["type"]) for told in webhook.got] == [
        ("[WARNING] acme: opportunities: 3 expectations failed", "warning"),
        ("[1 of 3 over, 2 go on] acme: opportunities: 3 expectations failed", "info"),
        ("[1 of 2 over, 1 goes on] acme: opportunities: 2 expectations failed", "info"),
        ("[RECOVERED] acme: opportunities: 1 expectation failed", "success"),
    ]
    going_on = "going on: expectation_failed:opportunities/second; expectation_failed:opportunities/third"
    assert going_on in webhook.got[1]["message"]
    threads = {json.loads(line)["thread"] for line in (desk.folder / "told.jsonl").read_text().splitlines()}
    assert len(threads) == 1


def test_every_trouble_that_a_pager_has_open_is_ended(desk: Desk) -> None:
    """A cause that was told by itself before it led to a refusal is a trouble of its own there."""
    desk.configure(desk.target("file://./told.jsonl", "log"))
    doubtful = failed_expectation("amounts_add_up")
    desk.run(landed(), begun(), doubtful, judged(), released())
    refused = (failed_expectation("amounts_add_up", severity="critical", refuses=True), judged("refuse"))
    desk.run(landed(), begun(), *refused, fails=GateRefused("refused"))
    desk.run(*good_run())
    lines = [json.loads(line) for line in (desk.folder / "told.jsonl").read_text().splitlines()]
    open_threads: set[str] = set()
    for line in lines:
        (open_threads.discard if line["type"] == "success" else open_threads.add)(line["thread"])
    assert open_threads == set(), [(line["title"], line["thread"][:6]) for line in lines]
    assert desk.book.open == {}


def test_a_person_closes_with_name_and_reason(desk: Desk, webhook: Webhook) -> None:
    desk.configure(desk.target(webhook.url))
    desk.run(("columns_changed", {"source": "crm", "table": "account", "gone": ["region"], "new": []}), *good_run())
    for by, why in (("", "gone for good"), ("jo", " "), ("jo@example.org", "gone for good")):
        with pytest.raises(ConfigError, match="nothing was closed"):
            close(desk.settings, "schema_changed:crm.account", by=by, why=why)
    with pytest.raises(ConfigError, match=r"open: schema_changed:crm\.account"):
        close(desk.settings, "schema_changed:crm", by="jo", why="gone for good")
    close(desk.settings, "schema_changed:crm.account", by="jo", why="gone for good")
    assert desk.book.open == {}
    assert webhook.titles[-1] == "[RECOVERED] acme: crm.account has changed its columns"
    assert "by jo: gone for good" in webhook.got[-1]["message"]


def test_a_mistyped_option_and_a_stop_at_the_keyboard_are_no_incidents(desk: Desk) -> None:
    desk.run(fails=ConfigError("--accept-shrunk x: no such table; nothing was run"))
    with pytest.raises(KeyboardInterrupt):
        _interrupted(desk)
    assert desk.book.every() == []
    assert list(desk.store.runs.glob("*")) == []


def _interrupted(desk: Desk) -> None:
    from pipelines.alerts import watching

    with watching(desk.settings):
        raise KeyboardInterrupt


def test_a_run_that_waits_in_vain_warns_and_one_that_cannot_begin_is_critical(desk: Desk) -> None:
    desk.run(run_failed("extract", kind="busy", message="another run has held it"), fails=Busy("another run"))
    desk.run(fails=ConfigError("policies/x.yml: not YAML"))
    assert {key: one.severity for key, one in desk.book.open.items()} == {
        "run_failed:extract": "warning",
        "run_failed:start": "critical",
    }
    desk.run(*good_run())
    assert desk.book.open == {}


def test_only_keys_of_a_sample_are_told() -> None:
    sample = ["source=crm, id=003, name=Smith, John, phone_number=555, close_date=2026-01-01, contact_id=7, owner_id=8"]
    assert keys_of(sample) == ["source=crm, id=003, close_date=2026-01-01"]
    said = tidy("people are missing: full_name=Smith, John, id=7; owner jo.doe@example.org (found: 3 rows)")
    assert "Smith" not in said
    assert "John" not in said
    assert "jo.doe" not in said
    assert "id=7" in said
    assert "(found: 3 rows)" in said


@pytest.mark.parametrize(
    "said",
    [
        "gone=21 of 207", "psi=1.204, limit=0.25", "newest_partners=12, least_partners_before=40",
        "left_count=3, partners_before=20", "share=12.5%", "is_lost=true", "last_seen=2026-10-05 06:00:00",
        "activated_at=2026-01-01",
        "entity=deals, reject_reason=no_exchange_rate, reject_detail=no rate for CHF on 2026-09-30, row_count=4",
        "region=Central America, earlier_deals=12", "from_level=gold, to_level=silver", "lost_kinds=West, North",
        "compared_with=same_quarter, release=2026Q3-0123456789ab", "a share that partner-programme@1 allows",
        "under sample-programme@2026-01: ladder=tier",
    ],
)  # fmt: skip
def test_counts_days_and_words_of_ours_are_told(said: str) -> None:
    assert tidy(f"it does not hold: source=crm, {said} (found: 3 rows)").endswith(f"source=crm, {said} (found: 3 rows)")
    assert journal.without_mail(said) == said


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("partner_name=Kim Doe, id=7", "partner_name=(left out), id=7"),
        (
            "mobile=0170123456, birth_date=1980-01-01, tax_id=7",
            "mobile=(left out), birth_date=(left out), tax_id=(left out)",
        ),
        ("reject_detail=Kim Doe is on 3 deals", "reject_detail=(left out)"),
        ("kim@10.0.0.7 and kim-doe@example.org", "(address hidden) and (address hidden)"),
    ],
)
def test_what_may_be_personal_is_left_out_once_however_often_it_is_read(said: str, told: str) -> None:
    assert tidy(said) == told
    assert tidy(tidy(said)) == told


def test_a_release_on_a_persons_word_ends_the_refusal_and_proves_nothing_else(desk: Desk) -> None:
    desk.run(landed(), begun(), failed_expectation("x", refuses=True), judged("refuse"), fails=GateRefused("refused"))
    desk.run(run_failed("shape", kind="build"), fails=Busy("stands for any failure"))
    desk.run(released(is_new=True), quarter="2026Q3")
    assert set(desk.book.open) == {"expectation_failed:opportunities/x", "run_failed:shape"}


# -- what a release contains that is compared with ---------------------------------------------------------------------


def out(desk: Desk, *chain: str) -> None:
    """Releases on disk, the last of which all the others led to."""
    for length, release in enumerate(chain, 1):
        folder = desk.folder / "state" / "released" / "releases" / "2026Q3" / release
        folder.mkdir(parents=True, exist_ok=True)
        links = [{"release": one, "quarter": "2026Q3"} for one in chain[:length]]
        (folder / "manifest.json").write_text(json.dumps({"release": release, "chain": links}))


GONE = "truncated:crm.account/few_records_are_gone"


def gone(candidate: str, against: str, **fields: Any) -> tuple[str, dict[str, Any]]:
    return failed_expectation(
        "few_records_are_gone", "deployment.load_changes", sample=["source=crm, table_name=account, gone=21 of 207"],
        places=[["crm", "account"]], candidate=candidate, against={"loads": against}, **fields,
    )  # fmt: skip


def judged_against(release: str) -> tuple[str, dict[str, Any]]:
    return judged(against={"loads": release, "quarter_before": "2026Q2-a"})


def test_what_is_in_the_release_that_is_compared_with_is_not_proved_mended(desk: Desk, webhook: Webhook) -> None:
    desk.configure(desk.target(webhook.url))
    out(desk, "2026Q3-a", "2026Q3-b", "2026Q3-c")
    let_out = released(is_new=True, release="2026Q3-b")
    desk.run(landed(), begun(), gone("2026Q3-b", "2026Q3-a"), judged_against("2026Q3-a"), let_out)
    kept = "what it found is in release 2026Q3-b now; no later run can prove it mended"
    assert kept in webhook.got[0]["message"]
    assert f"segments alerts close {GONE} --by NAME --why" in webhook.got[0]["message"]
    for _ in range(2):
        desk.run(landed(), begun(), judged_against("2026Q3-b"), released(release="2026Q3-b"))
    assert set(desk.book.open) == {GONE}
    assert len(webhook.got) == 1, "it is not repeated either"
    more = released(is_new=True, release="2026Q3-c")
    desk.run(landed(), begun(), gone("2026Q3-c", "2026Q3-b"), judged_against("2026Q3-b"), more)
    assert len(webhook.got) == 2, "more that is gone after that is news"
    assert "in release 2026Q3-c now" in webhook.got[1]["message"]
    close(desk.settings, GONE, by="head of operations", why="21 test accounts were deleted")
    assert webhook.titles[-1] == "[RECOVERED] acme: crm.account is cut short or incomplete"


def test_what_a_person_let_out_is_not_proved_mended_and_a_rollback_makes_it_provable(
    desk: Desk, webhook: Webhook
) -> None:
    desk.configure(desk.target(webhook.url))
    out(desk, "2026Q3-a", "2026Q3-b")
    refused = gone("2026Q3-b", "2026Q3-a", refuses=True)
    for _ in range(2):
        desk.run(landed(), begun(), refused, judged("refuse", against={"loads": "2026Q3-a"}), fails=GateRefused("no"))
    desk.run(released(is_new=True, release="2026Q3-b"))
    assert "in release 2026Q3-b now" in desk.book.open[GONE].next_step
    desk.run(landed(), begun(), judged_against("2026Q3-b"), released(release="2026Q3-b"))
    assert set(desk.book.open) == {GONE}
    desk.run(landed(), begun(), judged_against("2026Q3-a"), released(release="2026Q3-c"))
    assert desk.book.open == {}, "judged against what it was found against"


def test_a_judgement_against_the_same_or_an_older_release_proves_it_mended(desk: Desk) -> None:
    out(desk, "2026Q3-a", "2026Q3-b")
    for release in ("2026Q3-b", "2026Q3-a"):
        desk.run(begun(), gone("2026Q3-c", "2026Q3-b", refuses=True), judged_against("2026Q3-b"), is_rehearsal=True)
        assert set(desk.book.open) == {GONE}
        desk.run(begun(), judged_against(release), is_rehearsal=True)
        assert desk.book.open == {}
    drift = failed_expectation("drift", candidate="2026Q3-b", against={"quarter_before": "2026Q2-a"})
    desk.run(begun(), drift, judged_against("2026Q3-a"), released(is_new=True, release="2026Q3-b"))
    assert desk.book.open["expectation_failed:opportunities/drift"].next_step == ""
    desk.run(begun(), judged_against("2026Q3-b"))
    assert desk.book.open == {}, "the quarter before is what it was"


def test_the_gate_knows_what_compares_with_a_release() -> None:
    found = {
        f"{suite.suite}.{rule.name}": compares(suite, rule) for suite in read_suites() for rule in suite.expectations
    }
    assert {name for name, against in found.items() if "count" in against} == {
        "accounts.partners_did_not_multiply",
        "partner_segments.partners_did_not_halve", "partner_segments.partners_did_not_dwindle",
    }  # fmt: skip
    assert found["load_changes.few_records_are_gone"] == {"loads"}
    assert found["load_changes.source_is_named"] == frozenset()
    assert found["breakers.few_partners_left"] == {"quarter_before", "same_quarter"}
    assert found["breakers.released_quarters_are_as_on_record"] == frozenset()


# -- what goes out -----------------------------------------------------------------------------------------------------


def test_an_approval_reaches_people_with_who_and_why(desk: Desk, webhook: Webhook) -> None:
    everything = [*desk.configure(desk.target("json://x")).alerts[0].events, "released"]
    desk.configure(desk.target(webhook.url), desk.target(f"{webhook.url}/all", "board", events=everything))
    desk.run(landed(), begun(), failed_expectation("x", refuses=True), judged("refuse"), fails=GateRefused("refused"))
    why = "the region was sold"
    word = {"quarter": "2026Q3", "by": "head of operations", "why": why, "overruled": ["opportunities.x"]}
    desk.run(("release_approved", word), released(is_new=True), quarter="2026Q3")
    (closing, *_) = [one["message"] for one in webhook.got if one["title"].startswith("[RECOVERED]")]
    assert f"2026Q3 was released, approved by head of operations: {why}; it overrules opportunities.x" in closing
    assert "[INFO] acme: release 2026Q3-abc is out" in webhook.titles


def test_a_release_that_is_current_again_is_told_once_for_every_change(desk: Desk, webhook: Webhook) -> None:
    desk.configure(desk.target(webhook.url, events=["released"]))
    out(desk, "2026Q3-a", "2026Q3-b")
    for release in ("2026Q3-a", "2026Q3-b"):
        desk.run(*good_run()[:-1], released(is_new=True, release=release))
        desk.run(*good_run()[:-1], released(release=release))
    folder = desk.folder / "state" / "released"
    (folder / "current").symlink_to("releases/2026Q3/2026Q3-b")
    for wanted in ("2026Q3-a", "2026Q3-a", "2026Q3-c"):
        CliRunner().invoke(app, ["rollback", wanted, "--config", str(desk.folder / "segments.yml")])
    event, fields = released(is_new=True, release="2026Q3-b")
    desk.run(*good_run()[:-1], (event, {**fields, "is_again": True}))
    assert webhook.titles == [
        "[INFO] acme: release 2026Q3-a is out",
        "[INFO] acme: release 2026Q3-b is out",
        "[INFO] acme: release 2026Q3-a is current again",
        "[INFO] acme: release 2026Q3-b is current again",
    ]
    assert desk.book.open == {}, "a rollback that is turned down is no failure of a run"

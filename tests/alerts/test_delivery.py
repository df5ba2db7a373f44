"""Messages on their way: webhook, mail server, file; a target that is down, one that hangs, one without address."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from pipelines.alerts import settle
from pipelines.alerts.delivery import NotTaken, _notify, masking, send
from pipelines.alerts.messages import test_message as told_as_a_test
from pipelines.errors import GateRefused, InputError
from pipelines.events import fields_of
from tests.alerts.conftest import SECRET, Desk, Post, Webhook, begun, failed_expectation, good_run, judged, run_failed
from tests.conftest import ROOT

DOWN = InputError("source crm: down")
FAILS = run_failed(source="crm", message="source crm: the vendor is down, ask jo.doe@example.org")
AN_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.\w+")


def state_of(desk: Desk) -> str:
    """Everything the alerts keep on disk."""
    return "\n".join(path.read_text() for path in desk.store.folder.rglob("*") if path.is_file())


def test_a_mail_arrives_once_and_its_recovery_once(desk: Desk, post: Post) -> None:
    desk.configure(desk.target(post.url))
    desk.run(FAILS, fails=DOWN)
    desk.run(FAILS, fails=DOWN)
    desk.run(*good_run())
    assert [str(mail["subject"]) for mail in post.mails] == [
        "[CRITICAL] acme: the run failed at extract: source crm could not be read",
        "[RECOVERED] acme: the run failed at extract: source crm could not be read",
    ]
    assert "owner: CRM team" in post.bodies()[0]
    assert not AN_ADDRESS.search("".join(post.bodies()))


def test_no_secret_and_no_address_of_a_person_is_in_any_message_log_or_file(
    desk: Desk, webhook: Webhook, post: Post, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "requests"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    desk.monkeypatch.setenv("SEGMENTS_CRM_TOKEN", "tok-9f8e7d6c")
    desk.configure(
        desk.target(webhook.url), desk.target(post.url, "mail"), desk.target(f"json://127.0.0.1:9/{SECRET}", "gone"),
        desk.target(f"file://./{SECRET}.jsonl", "log"),
    )  # fmt: skip
    leak = run_failed(source="crm", message=f"source crm: tok-9f8e7d6c at {webhook.url}: ask jo.doe@example.org")
    desk.run(leak, begun(), failed_expectation("x", sample=["id=1, email=jo.doe@example.org"]), judged(), fails=DOWN)
    said = capfd.readouterr()
    # The mail server of this test writes down whom it talks to, and the failure is logged as this test words it.
    ours = [x for x in caplog.records if x.name != "mail.log" and fields_of(x)[0] != "run_failed"]
    logged = "\n".join(record.getMessage() for record in ours)
    assert "was told" in logged
    outgoing = "\n".join(one["message"] + one["title"] for one in webhook.got) + "".join(post.bodies())
    outgoing += (desk.folder / f"{SECRET}.jsonl").read_text()
    assert "the run failed" in outgoing
    assert "tok-9f8e7d6c" not in outgoing
    for text in (outgoing, logged, said.out, said.err):
        assert SECRET not in text
        assert not AN_ADDRESS.search(text)
    assert not AN_ADDRESS.search(state_of(desk))


def test_a_target_that_is_down_is_told_to_the_others_and_gets_its_messages_later(
    desk: Desk, webhook: Webhook, post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    desk.configure(desk.target(webhook.url), desk.target(post.url, "mail", events=["run_failed"]))
    webhook.status = 503
    desk.run(FAILS, fails=DOWN)
    assert "alert target ops: the service did not take it (HTTP 503); 1 message(s) kept" in caplog.text
    assert len(webhook.paths) == 1, "no storm of retries"
    subjects = [str(mail["subject"]) for mail in post.mails]
    assert subjects[1:] == ["[WARNING] acme: alerts do not reach ops"]
    assert "alert_sink_down:ops" in desk.book.open
    desk.run(FAILS, fails=DOWN)
    assert len(post.mails) == 2, "nobody is told twice that it is down"
    webhook.status = 200
    desk.run(FAILS, fails=DOWN)
    assert webhook.titles == ["[CRITICAL] acme: the run failed at extract: source crm could not be read"]
    assert "since: 2026-10-05 06:00 UTC, seen by 3 runs" in webhook.got[0]["message"]
    assert str(post.mails[-1]["subject"]) == "[RECOVERED] acme: alerts do not reach ops"
    assert "alert_sink_down:ops" not in desk.book.open


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (f"json://127.0.0.1:9/{SECRET}", "connection refused"),
        (f"json://{SECRET}.invalid/x", "its host is not known"),
        ("mailto://127.0.0.1:9/oncall@example.org?from=alerts@example.org&mode=insecure", "connection refused"),
    ],
)
def test_a_target_that_is_down_is_told_with_the_reason_and_no_secret(
    desk: Desk, address: str, reason: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    desk.configure(desk.target(address))
    desk.run(FAILS, fails=DOWN)
    assert f"the service did not take it ({reason}); they are kept" in desk.book.open["alert_sink_down:ops"].says
    said = capfd.readouterr()
    assert SECRET not in said.out + said.err + caplog.text + state_of(desk)


def test_every_refusal_that_comes_late_lists_its_own_causes(desk: Desk, webhook: Webhook) -> None:
    desk.configure(desk.target(webhook.url))
    webhook.status = 500
    refused = (
        ("04", "2026Q2", ("both", "other")),
        ("05", "2026Q3", ("both", "first")),
        ("07", "2026Q3", ("both", "last")),
    )
    for day, quarter, names in refused:
        desk.at(f"2026-10-{day}T06:00:00Z")
        causes = [failed_expectation(name, refuses=True) for name in names]
        desk.run(begun(quarter), *causes, judged("refuse"), fails=GateRefused("refused"), quarter=quarter)
        if day == "05":
            desk.at("2026-10-06T06:00:00Z")
            desk.run(*good_run())
    webhook.status = 200
    settle(desk.settings)
    told = [
        {line.split("/")[1].split(":")[0] for line in one["message"].splitlines() if line.startswith("  - ")}
        for one in webhook.got
        if "release of" in one["title"]
    ]
    assert told == [set(names) for _, _, names in refused]


def test_what_was_over_before_a_target_came_back_is_one_message(desk: Desk, webhook: Webhook) -> None:
    desk.configure(desk.target(webhook.url))
    webhook.status = 500
    desk.run(FAILS, fails=DOWN)
    desk.run(*good_run())
    webhook.status = 200
    desk.run(*good_run())
    desk.run(*good_run())
    assert webhook.titles == ["[RECOVERED] acme: the run failed at extract: source crm could not be read"]
    assert "it could not be told here while it lasted" in webhook.got[0]["message"]


def test_a_target_that_hangs_delays_a_run_by_its_own_limit_and_no_other_target(desk: Desk, webhook: Webhook) -> None:
    desk.configure(desk.target(webhook.url, "slow", timeout_seconds=1), desk.target("file://./told.jsonl", "log"))
    webhook.hangs = True
    before = time.monotonic()
    desk.run(FAILS, fails=DOWN)
    assert time.monotonic() - before < 8
    told = [json.loads(line)["title"] for line in (desk.folder / "told.jsonl").read_text().splitlines()]
    assert told == [
        "[CRITICAL] acme: the run failed at extract: source crm could not be read",
        "[WARNING] acme: alerts do not reach slow",
    ]


@pytest.mark.parametrize("value", ["", "no address at all", "json://"])
def test_a_target_without_an_address_warns_and_the_run_goes_on(
    desk: Desk, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    desk.configure(desk.target(value or " "))
    if not value:
        desk.monkeypatch.delenv("SEGMENTS_ALERT_OPS")
    desk.run(begun(), failed_expectation("late"), judged())
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    said = [one for one in warnings if "SEGMENTS_ALERT_OPS" in one]
    assert len(said) == 1
    assert "is not set" in said[0] if not value else "no address that apprise knows" in said[0]
    assert desk.book.open["expectation_failed:opportunities/late"].due == {"ops": "opened"}


def test_a_target_that_was_down_is_up_when_it_has_taken_something(desk: Desk, webhook: Webhook) -> None:
    desk.configure(desk.target(""), desk.target("file://./told.jsonl", "log"))
    desk.run(*good_run())
    assert set(desk.book.open) == {"alert_sink_down:ops"}
    for address in ("no address at all", webhook.url):
        desk.target(address)
        desk.run(*good_run())
        assert set(desk.book.open) == {"alert_sink_down:ops"}, "there was nothing to send"
    desk.run(begun(), failed_expectation("late"), judged())
    assert "alert_sink_down:ops" not in desk.book.open
    assert len(webhook.got) == 1


def test_a_target_that_takes_a_test_is_up_and_gets_what_was_kept(desk: Desk, webhook: Webhook) -> None:
    desk.configure(desk.target(webhook.url), desk.target("file://./told.jsonl", "log"))
    webhook.status = 500
    desk.run(begun(), failed_expectation("late"), judged())
    assert "alert_sink_down:ops" in desk.book.open
    command = ["alerts", "test", "ops", "--config", str(desk.folder / "segments.yml")]
    assert CliRunner().invoke(app, command).exit_code == 1
    assert "alert_sink_down:ops" in desk.book.open
    webhook.status = 200
    assert CliRunner().invoke(app, command).exit_code == 0
    assert "alert_sink_down:ops" not in desk.book.open
    assert webhook.titles == ["[TEST] acme: alerts reach ops", "[WARNING] acme: opportunities: 1 expectation failed"]
    told = [json.loads(line) for line in (desk.folder / "told.jsonl").read_text().splitlines()]
    assert told[-1]["title"] == "[RECOVERED] acme: alerts do not reach ops"
    assert "by delivery: ops took a test message" in told[-1]["message"]


def test_a_target_that_is_taken_out_leaves_nothing_behind(desk: Desk, webhook: Webhook) -> None:
    desk.configure(desk.target("json://127.0.0.1:9/x", "old"))
    desk.run(begun(), failed_expectation("late"), judged())
    desk.configure(desk.target(webhook.url))
    desk.run(begun(), failed_expectation("late"), judged())
    assert set(desk.book.open) == {"expectation_failed:opportunities/late"}
    assert "old" not in desk.book.open["expectation_failed:opportunities/late"].due
    assert webhook.titles == ["[WARNING] acme: opportunities: 1 expectation failed"], "a new target hears what is open"


def test_a_pager_joins_all_messages_of_one_trouble(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    import apprise

    services = []

    class Kept(apprise.Apprise):
        def notify(self, *_: object, **__: object) -> bool:
            services.extend(self)
            return True

    monkeypatch.setattr(apprise, "Apprise", Kept)
    settings = desk.configure(desk.target("pagerduty://" + "i" * 32 + "@" + "a" * 20 + "/?region=eu"))
    for message in (told_as_a_test("acme", "ops"), told_as_a_test("acme", "ops")):
        _notify(settings.alerts[0], os.environ["SEGMENTS_ALERT_OPS"], message, message.title, message.body)
    assert [(one.dedup, one.action) for one in services] == [("test", "map")] * 2


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#partner-alerts", "Slack"),
        ("workflows://prod.example.com:443/643e69f83c8944/8e7d6c5b4a3928/", "Power Automate / Workflows (for MSTeams)"),
        ("mailtos://user:password@smtp.example.com?from=alerts@example.com&to=oncall@example.com", "E-Mail"),
        ("pagerduty://" + "i" * 32 + "@" + "a" * 20, "Pager Duty"),
        ("jsons://hooks.example.com/partners", "JSON"),
    ],
)  # fmt: skip
def test_the_addresses_in_the_documents_are_ones_that_apprise_knows(address: str, name: str) -> None:
    import apprise

    service = apprise.Apprise()
    assert service.add(address)
    assert [str(one.service_name) for one in service] == [name]
    documented = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
    assert f"`{address.split('://')[0]}://" in documented


def test_a_file_target_writes_one_object_per_message(desk: Desk) -> None:
    settings = desk.configure(desk.target(f"file://{desk.folder}/out/told.jsonl"))
    send(settings, settings.alerts[0], told_as_a_test("acme", "ops"))
    (line,) = (desk.folder / "out" / "told.jsonl").read_text().splitlines()
    assert json.loads(line)["title"] == "[TEST] acme: alerts reach ops"
    (desk.folder / "file").write_text("")
    desk.target(f"file://{desk.folder}/file/told.jsonl")
    with pytest.raises(NotTaken, match="cannot be written"):
        send(settings, settings.alerts[0], told_as_a_test("acme", "ops"))


def test_secrets_of_sources_are_blanked_out_and_short_values_are_not(desk: Desk) -> None:
    desk.monkeypatch.setenv("SEGMENTS_CRM_CLIENT_SECRET", "hunter22")
    desk.monkeypatch.setenv("SEGMENTS_CRM_REGION", "eu")
    hide = masking(desk.settings)
    assert hide("hunter22 in the eu") == "(secret) in the eu"


# -- killed ------------------------------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from pathlib import Path
from pipelines.alerts import watch, watching
from pipelines.events import emit
from pipelines.settings import read_settings

settings = read_settings(Path(sys.argv[1]))
if sys.argv[2] == "before sending":
    watch.deliver = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
with watching(settings):
    emit("table_landed", "crm", source="crm", table="account")
    emit("source_unread", "source portal: down", source="portal")
    if sys.argv[2] == "during the run":
        os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(desk: Desk, when: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(desk.folder / "segments.yml"), when], env=environment, timeout=60
    )
    assert done.returncode == -signal.SIGKILL


def test_a_run_killed_on_its_way_is_told_by_the_next_that_comes_by(desk: Desk, webhook: Webhook) -> None:
    desk.configure(desk.target(webhook.url))
    killed(desk, "during the run")
    assert webhook.got == []
    settle(desk.settings)
    settle(desk.settings)
    assert sorted(webhook.titles) == [
        "[CRITICAL] acme: the run was killed",
        "[WARNING] acme: source portal could not be read",
    ]
    assert "the last it said was source_unread" in next(x["message"] for x in webhook.got if "killed" in x["title"])
    desk.run(*good_run())
    assert sum(title.startswith("[RECOVERED]") for title in webhook.titles) == 2


def test_killed_between_opening_and_sending_it_is_sent_by_the_next(desk: Desk, webhook: Webhook) -> None:
    desk.configure(desk.target(webhook.url))
    killed(desk, "before sending")
    assert webhook.got == []
    assert desk.book.open["source_down:portal"].due == {"ops": "opened"}
    settle(desk.settings)
    settle(desk.settings)
    assert webhook.titles == ["[WARNING] acme: source portal could not be read"]


def test_a_book_that_is_damaged_is_put_aside_and_so_is_the_next(
    desk: Desk, webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    desk.configure(desk.target(webhook.url))
    desk.run(FAILS, fails=DOWN)
    file = desk.store.folder / "incidents.json"
    file.write_text(file.read_text()[:100])
    desk.run(FAILS, fails=DOWN)
    assert len(webhook.got) == 2, "told again rather than not at all"
    file.write_text("[]")
    assert desk.book.open == {}
    aside = sorted(desk.store.folder.glob("incidents.json.*.damaged"), key=lambda path: path.stat().st_mtime_ns)
    assert [len(path.read_text()) for path in aside] == [100, 2]
    assert all(f"was put aside as {path.name}" in caplog.text for path in aside)


def test_what_a_later_version_has_written_into_the_book_loses_no_incident(desk: Desk, webhook: Webhook) -> None:
    desk.configure(desk.target(webhook.url))
    desk.run(FAILS, fails=DOWN)
    file = desk.store.folder / "incidents.json"
    book = json.loads(file.read_text())
    next(iter(book["open"].values()))["later"] = book["later"] = 1
    file.write_text(json.dumps(book))
    desk.run(FAILS, fails=DOWN)
    assert len(webhook.got) == 1
    assert not list(desk.store.folder.glob("*.damaged"))


def left_behind(desk: Desk, name: str, *lines: dict[str, object] | str) -> Path:
    """The journal of a command that is gone."""
    path = desk.store.runs / f"cli-{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {"message": "", "at": "2026-10-05T06:00:00+00:00", "level": 20, "fields": {}}
    texts = [line if isinstance(line, str) else json.dumps({**whole, **line}) for line in lines]
    path.write_text("".join(f"{text}\n" for text in texts))
    return path


def test_a_journal_that_makes_no_sense_and_a_damaged_release_silence_nobody(
    desk: Desk, webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    desk.configure(desk.target(webhook.url))
    manifest = desk.folder / "state" / "released" / "current" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text('{"release": ')
    strange = left_behind(
        desk,
        "1",
        {"event": "expectation_failed", "fields": {"expectation": "x", "partner_count": "many"}},
        {"event": "run_ended"},
    )
    left_behind(desk, "2", {"event": "table_landed"}, {"event": "run_ended", "fields": {"outcome": "ok"}})
    desk.run(FAILS, fails=DOWN)
    assert webhook.titles == ["[CRITICAL] acme: the run failed at extract: source crm could not be read"]
    assert "release (its manifest cannot be read) stays current" in webhook.got[0]["message"]
    assert "cli-1.jsonl.damaged: ValueError" in caplog.text
    assert [path.name for path in strange.parent.iterdir()] == ["cli-1.jsonl.damaged"]


def test_a_run_that_is_known_in_part_closes_nothing_and_is_told(
    desk: Desk, webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    desk.configure(desk.target(webhook.url))
    desk.run(begun(), failed_expectation("late"), judged())
    asked = {"event": "quarter_begun", "fields": {"quarter": "2026Q3"}}
    whole = {"event": "judged", "fields": {"decision": "release"}}
    ended = {"event": "run_ended", "fields": {"outcome": "ok"}}
    left_behind(desk, "1", asked, '{"event": "expectation_fai', whole, ended)
    settle(desk.settings)
    assert set(desk.book.open) == {"expectation_failed:opportunities/late"}
    assert "closes no incident: line 2 of cli-1.jsonl cannot be read" in caplog.text
    left_behind(desk, "2", asked, whole, ended, '{"event": "run_en')
    settle(desk.settings)
    assert desk.book.open == {}, "the last line was cut by the kill: nothing else is lost"


def test_alerts_that_cannot_be_kept_do_not_fail_the_run(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.store.folder.parent.mkdir()
    desk.store.folder.write_text("a file where the folder should be")
    desk.run(*good_run())
    assert "nobody will be told of it" in caplog.text
    assert "incidents could not be settled" not in caplog.text


def test_without_targets_nothing_is_loaded_and_incidents_are_kept_all_the_same(desk: Desk) -> None:
    program = (
        "import sys; from pathlib import Path; from pipelines.alerts import watching; "
        "from pipelines.events import emit; from pipelines.settings import read_settings\n"
        "with watching(read_settings(Path(sys.argv[1]))): emit('source_unread', 'down', source='crm')\n"
        "assert not {'apprise', 'requests', 'smtplib'} & set(sys.modules)"
    )
    file = desk.folder / "segments.yml"
    subprocess.run([sys.executable, "-c", program, str(file)], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
    assert set(desk.book.open) == {"source_down:crm"}


def test_two_targets_of_one_name_and_an_owner_with_an_address_are_refused(desk: Desk) -> None:
    from pipelines.errors import ConfigError

    with pytest.raises(ConfigError, match="two targets are called 'ops'"):
        desk.configure(desk.target("x"), desk.target("x"))
    with pytest.raises(ConfigError, match="owner"):
        desk.configure(owner="jo@example.org")
    with pytest.raises(ConfigError, match="url_env"):
        desk.configure({"name": "ops", "url_env": "https://hooks.example.com/x"})

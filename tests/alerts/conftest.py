"""A webhook and a mail server on this machine, and a deployment whose runs are told with events alone."""

from __future__ import annotations

import http.server
import json
import logging
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.alerts import Book, Store, watching
from pipelines.errors import SegmentsError
from pipelines.events import LOGGER, emit
from pipelines.settings import Settings, read_settings
from pipelines.warehouse import Places

SECRET = "s3cr3t-hook-a1b2c3"


@dataclass
class Webhook:
    """An HTTP server that keeps what it is sent."""

    url: str = ""
    status: int = 200
    got: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    hang: threading.Event = field(default_factory=threading.Event)
    hangs: bool = False

    @property
    def titles(self) -> list[str]:
        return [one["title"] for one in self.got]


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """A webhook that takes whatever comes, until a test tells it otherwise."""
    kept = Webhook()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.paths.append(self.path)
            if kept.hangs:
                kept.hang.wait(30)
            if kept.status == 200:
                kept.got.append(json.loads(body))
            self.send_response(kept.status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing: the test reads what was kept."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    kept.url = f"json://127.0.0.1:{server.server_port}/{SECRET}"
    yield kept
    kept.hang.set()
    server.shutdown()
    server.server_close()


@dataclass
class Post:
    """A mail server that keeps what it is sent."""

    url: str
    mails: list[Any] = field(default_factory=list)

    def bodies(self) -> list[str]:
        return [mail.get_body(("plain",)).get_content() for mail in self.mails]


@pytest.fixture
def post() -> Iterator[Post]:
    """A mail server on this machine."""
    from aiosmtpd.controller import Controller

    kept = Post("")

    class Handler:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            kept.mails.append(message_from_bytes(envelope.content, policy=default))
            return "250 OK"

    # The controller knocks at the port it was given to see whether it is up, so it has to be given a real one.
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(Handler(), hostname="127.0.0.1", port=port)
    controller.start()
    kept.url = f"mailto://127.0.0.1:{port}/oncall@example.org?from=alerts@example.org&mode=insecure"
    yield kept
    controller.stop()


@dataclass
class Desk:
    """A deployment whose runs consist of the events a test emits."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch

    def configure(self, *targets: dict[str, Any], **changes: Any) -> Settings:
        """Write the deployment file."""
        content = {
            "deployment": "acme",
            "sources": {
                "crm": {"connector": "salesforce", "owner": "CRM team"},
                "portal": {"connector": "files", "options": {"kind": "prm"}},
            },
            "owner": "partner operations",
            "as_of": "2026-10-05",
            "policy": {"active": "any"},
            "alerts": list(targets),
            "paths": {"state": "state"},
            **changes,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "segments.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
        return self.settings

    @property
    def settings(self) -> Settings:
        return read_settings(self.folder / "segments.yml")

    @property
    def store(self) -> Store:
        return Store(Places.of(self.settings))

    @property
    def book(self) -> Book:
        return self.store.read()

    def target(self, url: str, name: str = "ops", **options: Any) -> dict[str, Any]:
        """A target whose variable holds `url`."""
        variable = f"SEGMENTS_ALERT_{name.upper()}"
        self.monkeypatch.setenv(variable, url)
        return {"name": name, "url_env": variable, **options}

    def at(self, moment: str) -> None:
        """Every run from here on takes place at that moment."""
        self.monkeypatch.setenv("SEGMENTS_NOW", moment)

    def run(self, *said: tuple[str, dict[str, Any]], fails: SegmentsError | None = None, **options: Any) -> None:
        """One run that says all this, and fails with an error of ours if told so."""
        try:
            with watching(self.settings, **options):
                for event, fields in said:
                    fields = dict(fields)
                    level = fields.pop("level", logging.INFO)
                    emit(event, fields.pop("message", event), level=level, **fields)
                if fails:
                    raise fails
        except SegmentsError as problem:
            if problem is not fails:
                raise


def landed(source: str = "crm", table: str = "account") -> tuple[str, dict[str, Any]]:
    return "table_landed", {"source": source, "table": table, "rows": 10, "is_new": False}


def begun(quarter: str = "2026Q3") -> tuple[str, dict[str, Any]]:
    return "quarter_begun", {"quarter": quarter, "known_at": None, "newest": "2026-10-05T06:00:00.25+00:00"}


def failed_expectation(name: str, table: str = "opportunities", **fields: Any) -> tuple[str, dict[str, Any]]:
    said = {
        "message": f"{table}: {name} does not hold",
        "suite": table,
        "table": table,
        "expectation": name,
        "severity": "warning",
        "refuses": False,
        "sample": [],
        **fields,
    }
    return "expectation_failed", said


def judged(decision: str = "release", **fields: Any) -> tuple[str, dict[str, Any]]:
    return "judged", {"candidate": "2026Q3-abc", "decision": decision, **fields}


def released(is_new: bool = False, release: str = "2026Q3-abc") -> tuple[str, dict[str, Any]]:
    return "released", {
        "message": f"release {release} is out", "release": release, "quarter": release.split("-")[0], "is_new": is_new,
    }  # fmt: skip


def good_run() -> tuple[tuple[str, dict[str, Any]], ...]:
    return landed(), landed("portal", "partners"), begun(), ("candidate_built", {}), judged(), released()


def run_failed(step: str = "extract", **fields: Any) -> tuple[str, dict[str, Any]]:
    return "run_failed", {
        "message": "something failed",
        "step": step,
        "kind": "input",
        "level": logging.ERROR,
        **fields,
    }


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A deployment without targets; `configure` adds them."""
    made = Desk(tmp_path, monkeypatch)
    made.at("2026-10-05T06:00:00Z")
    made.configure()
    handlers, level = list(LOGGER.handlers), LOGGER.level
    yield made
    assert LOGGER.handlers == handlers
    assert LOGGER.level == level

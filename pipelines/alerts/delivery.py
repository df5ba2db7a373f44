"""Sends messages to the targets: each in order, all side by side, none for longer than it may take.

A message that is not taken stays due in the book and is tried again by whichever run comes next. Addresses are secrets:
what apprise logs stays inside, and no reason given here is its own words.
"""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from pipelines.alerts.incidents import TAKEN_OUT, Finding, Store, locked
from pipelines.alerts.messages import Message, messages_for
from pipelines.clock import now
from pipelines.errors import SegmentsError
from pipelines.events import emit
from pipelines.settings import AlertTarget, Settings

LONGEST = 30.0
"""Seconds after which a run goes on, or ends, without having heard from every target."""
_TALKATIVE = ("urllib3.connectionpool", "urllib3.util.retry")
_STATUS = re.compile(r"\berror\s*=\s*(\d{3})\b")
# What the libraries call a reason, and our words for it: theirs name the address.
_REASONS = (
    ("connection refused", r"connection refused|errno 111\b|errno 61\b"),
    ("timed out", r"timed? ?out"),
    ("its host is not known", r"name or service not known|getaddrinfo|failed to resolve|name resolution|nodename nor"),
    ("no route to its host", r"no route to host|unreachable"),
    ("TLS failed", r"certificate|ssl|tls"),
    ("the login was refused", r"authentication|\b535\b"),
    (
        "the connection was broken off",
        r"reset by peer|remote end closed|connection aborted|unexpectedly closed|broken pipe",
    ),
)


@dataclass
class Delivery:
    """What became of one target's messages."""

    target: str
    sent: int = 0
    left: int = 0
    reason: str = ""
    """Why the rest was not taken; "" when nothing is left."""
    is_done: bool = field(default=False, repr=False)


class NotTaken(Exception):
    """A target did not take a message; the text says why without its address."""


def deliver(settings: Settings, store: Store, *, longest: float = LONGEST) -> list[Delivery]:
    """Tell every target what it has not been told. Never raises for a target's sake.

    A target that fails becomes an incident of its own, which the others are told at once.

    Raises:
        Busy: another process is telling them and does not come to an end.
        SegmentsError: the incidents cannot be read or written.
    """
    if not settings.alerts:
        return []
    until = time.monotonic() + longest
    with locked(store.folder / ".sending", seconds=longest / 2):
        done = _round(settings, store, settings.alerts, until)
        failed = {one.target for one in done if one.reason}
        changed = _note_sinks(settings, store, done)
        others = [target for target in settings.alerts if target.name not in failed]
        if changed and others:
            later = {one.target: one for one in _round(settings, store, others, until)}
            for one in done:
                if more := later.get(one.target):
                    one.sent, one.left, one.reason = one.sent + more.sent, more.left, more.reason
    _tell(done)
    return done


def _round(settings: Settings, store: Store, targets: Sequence[AlertTarget], until: float) -> list[Delivery]:
    """Every target in a thread of its own, so that one that hangs keeps nobody waiting but itself."""
    book = store.read()
    work = []
    for target in targets:
        messages = messages_for(target.name, book, settings.deployment)
        one = Delivery(target.name, left=len(messages))
        thread = threading.Thread(target=_send_all, args=(settings, store, target, messages, one), daemon=True)
        thread.start()
        work.append((thread, one))
    for thread, one in work:
        thread.join(max(0.0, until - time.monotonic()))
        if not one.is_done:
            one.reason = one.reason or "no answer in time"
    return [one for _, one in work]


def _send_all(
    settings: Settings, store: Store, target: AlertTarget, messages: Sequence[Message], one: Delivery
) -> None:
    try:
        for message in messages:
            send(settings, target, message)
            with store.changing() as book:
                book.was_told(message.ids, target.name, now(), message.thread)
            one.sent, one.left = one.sent + 1, one.left - 1
        if not messages and not os.environ.get(target.url_env):
            one.reason = _unset(target)
    except (NotTaken, SegmentsError) as problem:
        one.reason = str(problem)
    except Exception as problem:  # noqa: BLE001 - whatever a service's code raises, the run goes on; told by its type
        one.reason = type(problem).__name__
    finally:
        one.is_done = True


def _note_sinks(settings: Settings, store: Store, done: Sequence[Delivery]) -> bool:
    """Open an incident for a target that fails, close that of one that works again; whether anything changed.

    One that there was nothing to send to may be as down as before.
    """
    known = {target.name for target in settings.alerts}
    changed = False
    with store.changing() as book:
        for incident in book.every():
            for name in set(incident.due) - known:
                del incident.due[name]  # a target that was taken out of the deployment file
        for one in done:
            finding = Finding(
                kind="alert_sink_down", severity="warning", source=one.target, until="sent",
                says=f"alert target {one.target} did not take {one.left} message(s): {one.reason}; they are kept",
                owner=settings.owner or "",
                next_step=f"look at its variable and at the service; then: segments alerts test {one.target}",
                reproduce=[f"segments alerts test {one.target} --config {settings.file}"],
            )  # fmt: skip
            if one.reason:
                changed = changed or finding.key not in book.open
                book.see(finding, settings.alerts)
            elif one.sent and not one.left and finding.key in book.open:
                book.close(finding.key, "delivery", f"{one.target} takes messages again, none is kept")
                changed = True
        for key, incident in list(book.open.items()):
            if incident.kind == "alert_sink_down" and incident.source not in known:
                book.close(key, TAKEN_OUT, "the target was taken out")
    return changed


def _tell(done: Sequence[Delivery]) -> None:
    for one in done:
        if one.reason:
            kept = f"; {one.left} message(s) kept, the next run tries again" if one.left else ""
            emit(
                "alert_not_sent",
                f"alert target {one.target}: {one.reason}{kept}",
                level=logging.WARNING,
                target=one.target,
                sent=one.sent,
                left=one.left,
            )
        elif one.sent:
            emit("alert_sent", f"{one.target} was told: {one.sent} message(s)", target=one.target, sent=one.sent)


def send(settings: Settings, target: AlertTarget, message: Message) -> None:
    """Send one message to one target.

    Raises:
        NotTaken: the variable is unset, the address is none, or the service did not take the message in time.
    """
    address = os.environ.get(target.url_env, "").strip()
    if not address:
        raise NotTaken(_unset(target))
    hide = masking(settings)
    title, body = hide(message.title), hide(message.body)
    if address.lower().startswith("file:"):
        _append(settings, target, address, message, title, body)
    else:
        _notify(target, address, message, title, body)


def masking(settings: Settings) -> Callable[[str], str]:
    """A function that blanks out every secret of the deployment, should one ever stand in a text."""
    names = {target.url_env for target in settings.alerts}
    prefixes = tuple(f"SEGMENTS_{source}_".upper() for source in settings.sources)
    values = [
        value
        for name, value in os.environ.items()
        if len(value) >= 6 and (name in names or (name.startswith(prefixes) and not name.endswith("_FILE")))
    ]
    values.sort(key=len, reverse=True)

    def masked(text: str) -> str:
        for value in values:
            text = text.replace(value, "(secret)")
        return text

    return masked


def _unset(target: AlertTarget) -> str:
    return f"the environment variable {target.url_env} is not set"


def _notify(target: AlertTarget, address: str, message: Message, title: str, body: str) -> None:
    import apprise  # here and not above: a deployment without alerts does not load it

    _silence()
    if address.lower().startswith("pagerduty:"):
        # One trouble is one incident there too, and a recovery resolves it.
        joined = "&" if "?" in address else "?"
        address += "".join(
            f"{joined if place == 0 else '&'}{name}={value}"
            for place, (name, value) in enumerate((("dedup", message.thread), ("action", "map")))
            if f"{name}=" not in address
        ).replace("&&", "&")
    asset = apprise.AppriseAsset(
        app_id="partner-segments",
        app_desc="partner segments",
        app_url="",
        async_mode=False,
        http_redirects=False,  # a webhook's address is its password: nobody may send it elsewhere
        service_timeout=target.timeout_seconds,
    )
    service = apprise.Apprise(asset=asset)
    if not service.add(address):
        raise NotTaken(f"what the environment variable {target.url_env} holds is no address that apprise knows")
    taken = service.notify(
        body=body,
        title=title,
        notify_type=message.tone,
        body_format=apprise.NotifyFormat.TEXT,
        timeout=target.timeout_seconds,
        log_level=logging.DEBUG,  # why nothing was taken stands there
    )
    if not taken:
        late = taken.status.name == "TIMEOUT"
        raise NotTaken(
            f"no answer within {target.timeout_seconds:g} s"
            if late
            else f"the service did not take it{_reason_in(taken)}"
        )


def _silence() -> None:
    """What the libraries log holds addresses, hosts and people: nothing of it reaches any handler of this process."""
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)  # why a service was not reached is said there, and nobody but the filter reads it
    logger.addFilter(_only_the_reason)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _only_the_reason(record: logging.LogRecord) -> bool:
    said = record.getMessage()
    status = _STATUS.search(said)
    # Only of a failure: what is told while a message goes out may have such a word in an address.
    failed = "Socket Exception" in said or "onnection error" in said
    reason = next((ours for ours, theirs in _REASONS if failed and re.search(theirs, said, re.IGNORECASE)), "")
    told = f"error={status.group(1)}" if status else f"reason={reason}" if reason else ""
    record.msg, record.args = told or "(withheld: it may hold an address)", ()
    record.exc_info = record.exc_text = record.stack_info = None
    return True


def _reason_in(taken: object) -> str:
    """The HTTP status of an answer, or why there was none, when apprise logged it."""
    logs = getattr(taken, "logs", None)
    words = " ".join(str(entry) for entry in logs()) if callable(logs) else ""
    if status := _STATUS.search(words):
        return f" (HTTP {status.group(1)})"
    return next((f" ({ours})" for ours, _ in _REASONS if f"reason={ours}" in words), "")


def _append(settings: Settings, target: AlertTarget, address: str, message: Message, title: str, body: str) -> None:
    """A file target: one JSON object per line, for those who collect logs. Relative to the deployment file."""
    parts = urlsplit(address)
    path = settings.file.parent / unquote(parts.netloc + parts.path)
    line = {"at": now().isoformat(), "title": title, "message": body, "type": message.tone, "what": message.verb}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**line, "thread": message.thread}) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as problem:
        raise NotTaken(f"its file cannot be written ({problem.strerror or type(problem).__name__})") from None

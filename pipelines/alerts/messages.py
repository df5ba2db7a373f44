"""An incident in words: one title, a few lines, no personal data and no secret."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pipelines.alerts.findings import severity_word, tidy
from pipelines.alerts.incidents import RANK, TAKEN_OUT, Book, Incident, Verb

Tone = Literal["failure", "warning", "info", "success"]
_SHOWN = 5


@dataclass(frozen=True)
class Message:
    """What one target is told about one incident, with its causes or its neighbours."""

    title: str
    body: str
    tone: Tone
    verb: Verb
    ids: tuple[str, ...]
    """The incidents that are told with it; `Incident.id`."""
    thread: str
    """The same for every message about the same trouble, for services that join messages."""


def messages_for(target: str, book: Book, deployment: str) -> list[Message]:
    """Everything that is still to be told to a target, oldest incident first.

    An incident that is the cause of another is told with it where both are due; expectations of one table are one
    message, with a list.
    """
    due = [one for one in book.every() if target in one.due]
    # Whoever joins messages has one trouble for all of a group: it is over when the last of them is.
    open_here = [one for one in book.open.values() if target in one.told or target in one.due]

    def head_of(one: Incident) -> str:
        """The id of the incident that this one is told with; "" where it is told by itself."""
        is_over = one.due[target] == "recovered"
        # A key may have been closed and opened again before anybody could be told: its cause is of one of them.
        heads = [
            head
            for head in due
            if one.part_of and head.key == one.part_of and (head.due[target] == "recovered") == is_over
            and _at_one_time(head, one)
        ]  # fmt: skip
        # What was told by itself before is over by itself: a pager would keep that trouble open for ever.
        told = one.told.get(target)
        if not heads or (is_over and told is not None and thread_of(one, deployment) in told.threads):
            return ""
        return heads[-1].id

    def is_told_with_another(one: Incident) -> bool:
        return bool(head_of(one))

    made = []
    taken: set[str] = set()
    for one in due:
        verb = one.due[target]
        if one.id in taken or is_told_with_another(one):
            continue
        causes = [other for other in due if head_of(other) == one.id]
        # A cause that was told before is why all the same; of a refusal also one that is nobody's to hear by itself, or
        # that another quarter is refused over by now.
        known = [
            other
            for other in book.open.values()
            if verb != "recovered" and other.part_of == one.key and target in other.told and target not in other.due
        ]
        if one.kind == "release_refused" and (verb != "recovered" or target not in one.told):
            mine = {other.key: other for other in book.every() if other.key in one.causes and _at_one_time(one, other)}
            known = [other for other in mine.values() if other.id not in {cause.id for cause in causes}]
        beside = [
            other
            for other in due
            if not causes and other.id != one.id and other.id not in taken and other.due[target] == verb
            and group_of(other) == group_of(one)
            and not is_told_with_another(other)
        ]  # fmt: skip
        members = [one, *causes, *beside]
        taken |= {member.id for member in members}
        left = [other for other in open_here if verb == "recovered" and group_of(other) == group_of(one)]
        made.append(
            _message(one, causes, beside, verb, deployment, known=known, left=left, never_told=target not in one.told)
        )
    return made


def _at_one_time(one: Incident, other: Incident) -> bool:
    """Whether two incidents were open at the same time."""
    return all(a.closed_at is None or a.closed_at >= b.opened_at for a, b in ((one, other), (other, one)))


def group_of(one: Incident) -> str:
    """What incidents have in common that are told as one trouble; an incident of another kind is a group of its own."""
    if one.kind in ("released", "release_refused", "run_failed", "alert_sink_down"):
        return one.key
    return f"{one.kind}:{one.place}" if one.place else one.kind


def thread_of(one: Incident, deployment: str) -> str:
    """Names the trouble that messages about an incident and its group are about."""
    return hashlib.sha256(f"{deployment} {group_of(one)}".encode()).hexdigest()[:32]


def test_message(deployment: str, target: str) -> Message:
    """What `segments alerts test` sends."""
    body = "\n".join(
        [
            "This is a test: nothing is wrong. Alerts of this deployment reach this place.",
            f"where: {deployment}, target {target}",
        ]
    )
    return Message(f"[TEST] {deployment}: alerts reach {target}", body, "info", "told", (), "test")


def _message(
    head: Incident,
    causes: Sequence[Incident],
    beside: Sequence[Incident],
    verb: Verb,
    deployment: str,
    *,
    known: Sequence[Incident],
    left: Sequence[Incident],
    never_told: bool,
) -> Message:
    everyone = [head, *causes, *beside]
    over = len(beside) + 1
    some_over = f"{over} of {over + len(left)} over, {len(left)} go{'es' if len(left) == 1 else ''} on"
    worst = max(everyone, key=lambda one: RANK[one.severity]).severity
    mark = {
        "opened": severity_word(worst),
        "escalated": f"{severity_word(worst)}, was {head.was or 'lower'}",
        "reminder": f"{severity_word(worst)}, goes on",
        "recovered": some_over if left else "CLOSED" if head.closed_by == TAKEN_OUT else "RECOVERED",
        "told": severity_word(worst),
    }[verb]
    tone: Tone = "success" if verb in ("recovered", "told") else "failure" if worst == "critical" else "warning"
    # While some of a group go on it is no success, at which a pager would end them all.
    if left or (verb != "recovered" and worst == "info" and tone != "success"):
        tone = "info"
    lines = [("what", head.says)]
    why = [*causes, *known]
    listed = why or beside
    if listed:
        lines.append(("causes" if why else "also", ""))
    facts = [
        ("where", _where(head, deployment)),
        ("since", _since(head, verb)),
        (
            "closed" if head.closed_by == TAKEN_OUT else "recovered",
            _recovery(head, never_told=never_told) if verb == "recovered" else "",
        ),
        ("going on", "; ".join([*(one.key for one in left[:_SHOWN]), *(["..."] if len(left) > _SHOWN else [])])),
        ("quarter", head.quarter),
        ("partners", _partners(everyone, head)),
        ("keys", "; ".join(list(dict.fromkeys(key for one in [*everyone, *known] for key in one.keys))[:_SHOWN])),
        ("owner", ", ".join(dict.fromkeys(one.owner for one in everyone if one.owner))),
        ("kept back", _kept(head) if verb not in ("recovered", "told") else ""),
        ("next", head.next_step if verb not in ("recovered", "told") else ""),
        ("reproduce", "\n  ".join(head.reproduce) if verb not in ("recovered", "told") else ""),
        ("verdict", head.page if verb != "recovered" else ""),
        ("incident", head.key if head.kind != "released" else ""),
    ]
    body = [f"{name}: {value}" for name, value in lines if value]
    if listed:
        body.append(f"{lines[-1][0]}:")
        body += [f"  - {one.key}: {tidy(one.says, width=200)}" for one in listed[:_SHOWN]]
        if len(listed) > _SHOWN:
            body.append(f"  and {len(listed) - _SHOWN} more: segments alerts list")
    body += [f"{name}: {value}" for name, value in facts if value]
    return Message(
        f"[{mark}] {deployment}: {headline(head, why, over + len(left))}",
        "\n".join(body),
        tone,
        verb,
        tuple(one.id for one in everyone),
        thread_of(head, deployment),
    )


def headline(head: Incident, causes: Sequence[Incident] = (), count: int = 1) -> str:
    """An incident in a few words."""
    place = head.place or "a table"
    match head.kind:
        case "run_failed":
            step = "the run was killed" if head.step == "killed" else f"the run failed at {head.step}"
            cause = f": {headline(causes[0])}" if causes else f": {head.place}" if head.place else ""
            return f"{step}{cause}"
        case "release_refused":
            places = list(dict.fromkeys(one.place for one in causes if one.place))
            named = ", ".join(places[:3]) + (" ..." if len(places) > 3 else "")
            return f"release of {head.quarter} refused{f' over {named}' if named else ''}"
        case "source_down":
            return f"source {head.source} could not be read" if not head.table else f"{place} could not be read"
        case "stale":
            return f"{place} is stale"
        case "truncated":
            return f"{place} is cut short or incomplete"
        case "schema_changed":
            return f"{place} has changed its columns"
        case "released":
            return f"release {head.kept} is {'current again' if head.is_again else 'out'}"
        case "alert_sink_down":
            return f"alerts do not reach {head.source}"
        case _:
            return f"{place}: {count} expectation{'' if count == 1 else 's'} failed"


def _where(head: Incident, deployment: str) -> str:
    if head.kind == "alert_sink_down":
        return f"deployment {deployment}, alert target {head.source}"
    parts = [f"deployment {deployment}"]
    parts += [f"source {head.source}"] if head.source else []
    parts += [f"table {head.table}"] if head.table else []
    parts += [f"step {head.step}"] if head.step else []
    return ", ".join(parts)


def _since(head: Incident, verb: Verb) -> str:
    if verb == "told":
        return ""
    seen = "" if head.runs == 1 else f", seen by {head.runs} runs, last {_moment(head.last_seen)}"
    return f"{_moment(head.opened_at)}{seen}"


def _recovery(head: Incident, *, never_told: bool) -> str:
    at = _moment(head.closed_at) if head.closed_at else ""
    late = " (it could not be told here while it lasted)" if never_told else ""
    return f"{at}, by {tidy(head.closed_by)}: {tidy(head.why, width=600)}{late}"


def _partners(everyone: Sequence[Incident], head: Incident) -> str:
    one = max(everyone, key=lambda found: (found.at_risk_count, found.partner_count))
    if not one.partner_count and not one.at_risk_count:
        return ""
    touched = f"{one.partner_count:,} touched"
    touched += f" ({_some(one.partners, one.partner_count)})" if one.partners else ""
    risk = f"; {one.at_risk_count:,} whose level could differ" if one.at_risk_count else ""
    risk += f" ({_some(one.at_risk, one.at_risk_count)})" if one.at_risk else ""
    return touched + risk


def _some(names: Sequence[str], count: int) -> str:
    return ", ".join(names) + (" ..." if count > len(names) else "")


def _kept(head: Incident) -> str:
    if head.kind in ("alert_sink_down", "released"):
        return ""
    if head.kind in ("run_failed", "release_refused") or head.severity == "critical":
        return f"nothing new goes out; release {head.kept} stays current" if head.kept else "nothing was released yet"
    return ""


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"

"""What a run has shown: findings from the events of its journal, and what they prove to be right again.

Nothing here reads or writes a file, so that tests can drive it with events alone.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from pipelines.alerts.incidents import RANK, Finding, Incident
from pipelines.alerts.journal import BEGUN, ENDED, HEARD, Line, without_mail
from pipelines.release import GONE_RECORDS
from pipelines.settings import AlertKind, Severity

Outcome = Literal["ok", "failed", "died", "unknown"]

STEPS = ("start", "extract", "define", "shape", "candidate", "judge", "release")
# An event, and the step that is behind the run when it is heard.
_PROVES = {"quarter_begun": "extract", "candidate_built": "candidate", "judged": "judge"}

READ, JUDGED, RELEASED = "read", "judged", "released"
COLUMNS, SENT = "columns", "sent"
"""What closes an incident: its source was read, the candidate was judged, a release went out, the columns are back, a
message was taken."""

LEDGERS = "deployment."
"""What a row of such a table says is about a source, or about a table of one."""

_SHOWN = 5
# What an expectation is about, told from its name: a new one is an alarm of the right kind without a list to keep.
_KINDS: tuple[tuple[AlertKind, str], ...] = (
    ("stale", r"stale|fresh|read_after|ended_when_loaded|is_recent|loaded_together"),
    ("truncated", r"shr[aiu]nk|volume|newest_load_has_rows|incomplete|truncat|still_there|records_are_gone"),
    ("schema_changed", r"schema|columns_stay|columns_are_there"),
)
_PERSONAL = (
    r"(?!.*(?:phone|mobile|fax|mail|person|contact|user|login|owner|manager|birth|salary|iban|street))"
    r"(?!(?:\w+_)?(?:tax|vat|zip|postal|postcode|tel|cell)(?:_|$))"
)
# Keys of rows.
_KEY = re.compile(
    _PERSONAL
    + r"(?:source|table_name|column_name|entity|quarter|ladder|policy|version|metric|criterion|level|action|reason|"
    r"rule|currency|row|key|id|mode|(?:\w+_)?(?:id|number|date|at|quarter|rows|share|count|read|load|loaded))"
)
# Columns that hold words of ours or of a short list; which level, currency or region it is names nobody.
_WORDS = re.compile(
    r"reject_reason|what|compared_with|lost_kinds|release|released_in|(?:from_|to_|reporting_|settled_)?currency|region|"
    r"(?:\w+_)?(?:level|segment)|level_on_record|metric|track|change|state|severity"
)
# Any other word of a sample may be personal and stays in the verdict; counts, shares, days and flags are told.
_PLAIN = re.compile(
    r"-?[\d.,]+(?:e[+-]?\d+)?%?(?: of -?[\d.,]+)?|true|false|none|"
    r"\d{4}-\d\d-\d\d(?:[ T][\d:.]+(?:Z|[+-]\d\d(?::?\d\d)?)?)?|no rate for [A-Z]{3} on \d{4}-\d\d-\d\d",
    re.IGNORECASE,
)
_PLAIN_OF = re.compile(_PERSONAL + r"\w+")
_HIDDEN = ("(left out", "(address hidden")
# A value goes on to the next key, for it may hold a comma itself.
_PAIR = re.compile(r"\b([a-z][a-z0-9_]*)=(.*?)(?=, [a-z][a-z0-9_]*=|[;)\n]| \(found:| \[|$)")


@dataclass
class Report:
    """What one run has shown."""

    quarter: str = ""
    is_rehearsal: bool = False
    outcome: Outcome = "unknown"
    findings: list[Finding] = field(default_factory=list)
    announcements: list[Finding] = field(default_factory=list)
    read: set[str] = field(default_factory=set)
    """Sources that were read to the end."""
    regained: dict[str, set[str]] = field(default_factory=dict)
    """Columns that are there again, by source.table."""
    passed: int = -1
    """The last step (its place in `STEPS`) that is behind the run for certain."""
    is_judged: bool = False
    unplaced: set[tuple[str, str]] = field(default_factory=set)
    """Suite and expectation of failures that are about tables, and nobody could say about which."""
    released: set[str] = field(default_factory=set)
    """Quarters that went out. A run that makes up for earlier ones lets out several."""
    is_damaged: bool = False
    """A part of what the run said is lost. It may have been trouble, so nothing is proved right by the rest."""
    let_out: set[str] = field(default_factory=set)
    """The releases that went out, by id."""
    approved: dict[str, str] = field(default_factory=dict)
    """Who let a refused candidate of a quarter out, and why, in words."""
    against: dict[str, str] = field(default_factory=dict)
    """The releases that the candidate was judged against, by what was compared."""
    chains: dict[str, list[str]] = field(default_factory=dict)
    """What led to releases, by their id, as far as somebody had to know."""
    known_at: str = ""
    """Moment to ask a run for that shall see the same; "" when nothing is known to rest on one."""

    def is_over(self, incident: Incident) -> str:
        """Why an open incident is over, in words; "" when this run proves nothing of the kind.

        A run that stopped early proves nothing about the steps it did not reach, one for an earlier quarter nothing
        about a later one.
        """
        if self.is_damaged or incident.key in {finding.key for finding in self.findings}:
            return ""
        match incident.until:
            case "read" if incident.source in self.read:
                return f"source {incident.source} was read, and shows it no more"
            case "columns" if set(incident.columns) <= self.regained.get(incident.place, set()):
                return f"{incident.place} has the columns again"
            case "judged" if (incident.suite, incident.expectation) in self.unplaced:
                return ""
            case "judged" if self.newer_base(incident):
                return ""
            case "judged" if self.is_judged and self.quarter >= incident.quarter:
                return "judged again, and it holds"
            case "released" | "rehearsed" if out := self._out(incident):
                return f"{out} was released{self.approved.get(out, '')}"
            case "rehearsed" if self.is_judged and self.quarter >= incident.quarter and not self._refused:
                return f"{self.quarter} would be released"
            case "ended" if self.outcome == "ok" and self.passed >= 0:
                return "a later run came to its end"
            case "release" if self.released:
                return f"{max(self.released)} was released"
            case step if step in STEPS and self.passed >= STEPS.index(step):
                return f"a later run got past {step}"
        return ""

    def newer_base(self, incident: Incident) -> str:
        """The release that was compared with, where it is newer than what the incident was found against.

        It may contain what was found then, and a comparison with it proves nothing.
        """
        for name, then in incident.against.items():
            now = self.against.get(name, "")
            if now != then and now not in self.chains.get(then, ()):
                return now or "a later one"
        return ""

    def kept_in(self, incident: Incident) -> str:
        """The release that holds what an open incident is about, so that no later run can prove it mended; else ""."""
        if incident.until != JUDGED or not incident.against or self.is_damaged:
            return ""
        if incident.candidate in self.let_out:
            # The quarter before stays what it was: the next run is compared with it again. So do loads, where this
            # release lost records: `pipelines.release.base_of_loads` passes it over.
            stays = {"quarter_before", "loads"} if self.has_lost_records else {"quarter_before"}
            return incident.candidate if set(incident.against) - stays else ""
        return self.newer_base(incident) if self.is_at_rest(incident) else ""

    @property
    def has_lost_records(self) -> bool:
        """Whether a table of the run had lost records that an earlier release rests on."""
        return any((one.suite, one.expectation) == GONE_RECORDS for one in self.findings)

    def is_at_rest(self, incident: Incident) -> bool:
        """Whether a judgement that could have shown an open incident did not."""
        is_shown = any(finding.key == incident.key for finding in self.findings)
        return self.is_judged and not is_shown and self.quarter >= incident.quarter

    def _out(self, incident: Incident) -> str:
        """The quarter whose release ends what was said of the incident's; "" when none went out."""
        return min((quarter for quarter in self.released if quarter >= incident.quarter), default="")

    @property
    def _refused(self) -> bool:
        return any(finding.kind == "release_refused" for finding in self.findings)


def report_of(lines: Sequence[Line], *, died: bool = False) -> Report:
    """Read a journal.

    Args:
        lines: the journal.
        died: the process is gone without having said how the run ended.
    """
    report = Report()
    judged: list[Finding] = []
    failed: list[Line] = []
    could_ask = True
    for line in lines:
        fields = line.fields
        if line.event in _PROVES:
            report.passed = max(report.passed, STEPS.index(_PROVES[line.event]))
        match line.event:
            case "run_begun":
                report.quarter, report.is_rehearsal = fields.get("quarter", ""), bool(fields.get("is_rehearsal"))
            case "quarter_begun":
                # A run may make up for earlier quarters first; the last one it takes up is what it has to say.
                report.quarter, judged = fields.get("quarter", report.quarter), []
                report.is_judged, report.unplaced, could_ask = False, set(), True
                report.known_at = _asked_for(fields.get("known_at") or fields.get("newest"))
            case "table_landed":
                report.read.add(fields.get("source", ""))
            case "expectation_failed":
                judged += _of_expectation(line, is_rehearsal=report.is_rehearsal)
                if _is_unplaced(line):
                    report.unplaced.add((str(fields.get("suite", "")), str(fields.get("expectation", ""))))
                # The gate's own questions are whether it can ask at all.
                could_ask = could_ask and not (fields.get("raised") and fields.get("suite") == "gate")
            case "judged":
                report.is_judged = could_ask
                report.against = {str(name): str(one) for name, one in (fields.get("against") or {}).items()}
                if fields.get("decision") != "release":
                    judged.append(_refusal(report, str(fields.get("candidate", ""))))
            case "release_refused" if not any(one.kind == "release_refused" for one in judged):
                judged.append(_refusal(report, str(fields.get("candidate", ""))))
            case "released":
                report.quarter = fields.get("quarter") or report.quarter
                report.released.add(report.quarter)
                report.let_out.add(str(fields.get("release", "")))
                if fields.get("is_new"):
                    report.announcements.append(_release(line))
            case "release_approved":
                quarter, overruled = str(fields.get("quarter", "")), ", ".join(fields.get("overruled") or ())
                signed = f", approved by {fields.get('by', '')}: {fields.get('why', '')}"
                report.approved[quarter] = signed + (f"; it overrules {overruled}" if overruled else "")
            case "rolled_back" if fields.get("release") != fields.get("previous"):
                report.announcements.append(_release(line))
            case "run_failed":
                failed.append(line)
            case "line_damaged":
                report.is_damaged = True
            case "run_ended":
                report.outcome = fields.get("outcome", "unknown")
            case _:
                report.findings += _of_source(report, line)
    if died and report.outcome == "unknown":
        report.outcome = "died"
    report.findings += _caused(judged)
    report.findings += _failures(report, failed, lines)
    for finding in (*report.findings, *report.announcements):
        finding.quarter = finding.quarter or report.quarter
    report.findings = _once(report.findings)
    return report


def _of_source(report: Report, line: Line) -> Iterable[Finding]:
    """What the extraction noticed and went on from."""
    fields = line.fields
    place: dict[str, Any] = {"source": fields.get("source", ""), "table": fields.get("table", "")}
    says = tidy(line.message)
    match line.event:
        case "source_unread":
            yield Finding(kind="source_down", severity="warning", says=says, until=READ, **place,
                          next_step=tidy(fields.get("next_step") or ""))  # fmt: skip
        case "table_missing" | "nothing_listed":
            yield Finding(kind="truncated", severity="warning", says=says, until=READ, **place)
        case "drop_outdated":
            yield Finding(kind="stale", severity="warning", says=says, until=READ, **place)
        case "table_not_readable":
            yield Finding(kind="schema_changed", severity="warning", says=says, until=READ, **place)
        case "columns_not_readable":
            # Many instances lack an optional field by design: listed, and nobody is woken.
            yield Finding(kind="schema_changed", severity="info", says=says, until=READ, **place,
                          columns=fields.get("columns", []), expectation="not_shown")  # fmt: skip
        case "columns_changed":
            if fields.get("new"):
                report.regained.setdefault(f"{place['source']}.{place['table']}", set()).update(fields["new"])
            if gone := fields.get("gone"):
                yield Finding(kind="schema_changed", severity="warning", says=says, until=COLUMNS, columns=gone,
                              **place,
                              next_step="gone for good? segments alerts close, with the reason")  # fmt: skip


def _of_expectation(line: Line, *, is_rehearsal: bool) -> Iterable[Finding]:
    fields = line.fields
    expectation = str(fields.get("expectation", ""))
    kind = next((kind for kind, words in _KINDS if re.search(words, expectation)), "expectation_failed")
    sample = [str(row) for row in fields.get("sample") or ()]
    refuses = bool(fields.get("refuses", line.level >= logging.ERROR))
    is_info = fields.get("severity") == "info" and not refuses
    partners, at_risk = ([str(one) for one in fields.get(name) or ()] for name in ("partners", "at_risk"))
    common: dict[str, Any] = {
        # What would refuse and was overruled by a person does not wake anybody any more, and what a rehearsal would
        # refuse over does not yet.
        "severity": "critical" if refuses and not is_rehearsal else "info" if is_info else "warning",
        "suite": str(fields.get("suite", "")),
        "says": tidy(line.message),
        "until": JUDGED,
        "part_of": "release_refused" if refuses else "",
        "candidate": str(fields.get("candidate", "")),
        "against": {str(name): str(one) for name, one in (fields.get("against") or {}).items()},
        "partner_count": int(fields.get("partner_count", len(partners))),
        "partners": [tidy(one) for one in partners[:_SHOWN]],
        "at_risk_count": int(fields.get("at_risk_count", len(at_risk))),
        "at_risk": [tidy(one) for one in at_risk[:_SHOWN]],
    }
    table = str(fields.get("table", ""))
    if table.startswith(LEDGERS):
        # A row there is a table of a source; several can fail one expectation, and each is an incident of its own.
        # The sample is cut off after a few rows: it describes, the places are what there is.
        known = fields.get("places")
        by_source: dict[tuple[str, str], list[str]] = {(str(source), str(name)): [] for source, name in known or ()}
        for row in sample:
            values = dict(_PAIR.findall(row))
            place = values.get("source", "").strip(), values.get("table_name", "").strip()
            if place in by_source or ("source" in values and known is None):
                by_source.setdefault(place, []).append(row)
        for (source, table), rows in by_source.items():
            about = {**common}
            if not rows:
                about["says"] = tidy(f"{source}{table and '.'}{table} as well: {line.message}")
                rows = [f"source={source}" + (f", table_name={table}" if table else "")]
            yield Finding(kind=kind, source=source, table=table, expectation=expectation, keys=keys_of(rows), **about)
        if by_source:
            return
    yield Finding(kind=kind, table=table, expectation=expectation, keys=keys_of(sample), **common)


def _is_unplaced(line: Line) -> bool:
    """Whether a failure about tables of sources does not say which: what it said before may go on."""
    return str(line.fields.get("table", "")).startswith(LEDGERS) and line.fields.get("places") is None


def _refusal(report: Report, candidate: str) -> Finding:
    would = "would be refused" if report.is_rehearsal else "was refused"
    return Finding(
        kind="release_refused",
        severity="warning" if report.is_rehearsal else "critical",
        quarter=report.quarter,
        says=f"candidate {candidate} of {report.quarter} {would}" + (" (rehearsal)" if report.is_rehearsal else ""),
        until="rehearsed" if report.is_rehearsal else RELEASED,
        next_step="correct the data at its source, or change what was agreed; segments alerts list has every cause",
    )


def _caused(judged: list[Finding]) -> list[Finding]:
    """The judgement's findings; without a refusal nothing is part of one."""
    if not any(one.kind == "release_refused" for one in judged):
        for finding in judged:
            finding.part_of = ""
    refusal = next((one for one in judged if one.kind == "release_refused"), None)
    if refusal is not None:
        causes = [one for one in judged if one.part_of]
        for cause in causes:
            cause.part_of = refusal.key
        refusal.causes = list(dict.fromkeys(cause.key for cause in causes))
        touched = sorted({number for one in causes for number in one.partners})
        refusal.partner_count = max((one.partner_count for one in causes), default=0)
        refusal.partners = touched[:_SHOWN]
        refusal.at_risk_count = max((one.at_risk_count for one in causes), default=0)
        refusal.at_risk = sorted({number for one in causes for number in one.at_risk})[:_SHOWN]
    return judged


def _release(line: Line) -> Finding:
    release = str(line.fields.get("release", ""))
    return Finding(
        kind="released", severity="info", expectation=release, says=tidy(line.message),
        quarter=str(line.fields.get("quarter") or release.rsplit("-", 1)[0]), kept=release,
        is_again=line.event == "rolled_back" or bool(line.fields.get("is_again")),
    )  # fmt: skip


def _failures(report: Report, failed: Sequence[Line], lines: Sequence[Line]) -> Iterable[Finding]:
    """A run that failed, and the trouble with a source that made it fail. A refusal is told as such, and once."""
    told = False
    for line in failed:
        fields = line.fields
        if fields.get("kind") == "refused":
            told = True
            if not any(one.kind == "release_refused" for one in report.findings):
                yield _refusal(report, "").model_copy(update={"says": tidy(line.message)})
            continue
        step = fields.get("step") if fields.get("step") in STEPS else "start"
        source, table = str(fields.get("source", "")), str(fields.get("table", ""))
        what = Finding(
            kind="run_failed", step=str(step), source=source, table=table, says=tidy(line.message),
            # One that waited in vain for another run has done no harm yet.
            severity="warning" if fields.get("kind") == "busy" else "critical",
            until=READ if source and step == "extract" else str(step),
            next_step=tidy(fields.get("next_step") or ""),
        )  # fmt: skip
        told = True
        yield what
        if step == "extract" and source and fields.get("kind") == "input":
            trouble = fields.get("trouble")
            kind: AlertKind = next((one for one in get_args(AlertKind) if one == trouble), "source_down")
            yield Finding(
                kind=kind, severity="critical", source=source, table=table, says=what.says, until=READ,
                part_of=what.key, next_step=what.next_step,
            )  # fmt: skip
    refused = any(one.kind == "release_refused" for one in report.findings)
    if told or refused or report.outcome not in ("failed", "died"):
        return
    ended = next((line for line in reversed(lines) if line.event == ENDED), None)
    if report.outcome == "failed":
        says = tidy(ended.message) if ended is not None and ended.message else "the run failed without a message"
        step = STEPS[min(report.passed + 1, len(STEPS) - 1)]
        yield Finding(kind="run_failed", step="start" if report.passed < 0 else step, says=says, severity="critical",
                      until="ended")  # fmt: skip
        return
    begun = next((line.at for line in lines if line.event == BEGUN), lines[0].at if lines else None)
    since = f" that began {begun:%Y-%m-%d %H:%M} UTC" if begun else ""
    heard = [line.event for line in lines if line.event in HEARD]
    last = f"; the last it said was {heard[-1]}" if heard else "; it had not said anything"
    yield Finding(
        kind="run_failed", step="killed", severity="critical", until="ended",
        says=f"the process of the run{since} is gone without a word: killed, or the machine went down{last}",
        next_step="run again; nothing has to be cleaned up",
    )  # fmt: skip


def _once(findings: Iterable[Finding]) -> list[Finding]:
    """One finding per key, the worst; columns that are gone are all of them, however often the run said so."""
    by_key: dict[str, Finding] = {}
    for finding in findings:
        there = by_key.get(finding.key, finding)
        kept = finding if RANK[finding.severity] > RANK[there.severity] else there
        if COLUMNS == finding.until == there.until:
            kept.columns = list(dict.fromkeys([*there.columns, *finding.columns]))
        by_key[finding.key] = kept
    return list(by_key.values())


def keys_of(sample: Iterable[str]) -> list[str]:
    """The keys of some rows, `name=value`; whatever else stands in a sample may be personal and is left out."""
    found = []
    for row in sample:
        kept = [f"{name}={value.strip()}" for name, value in _PAIR.findall(row) if _KEY.fullmatch(name)]
        if kept:
            found.append(tidy(", ".join(kept)))
    return list(dict.fromkeys(found))[:_SHOWN]


def tidy(text: str, *, width: int = 400) -> str:
    """A text on one line, without addresses of persons and without values that are no keys."""

    def kept(match: re.Match[str]) -> str:
        name, value = match.group(1), match.group(2).strip()
        is_plain = bool(_PLAIN.fullmatch(value) and _PLAIN_OF.fullmatch(name))
        # What is hidden already is not hidden once more: a text may come by twice.
        told = _KEY.fullmatch(name) or _WORDS.fullmatch(name) or is_plain or value in _HIDDEN
        return match.group(0) if told else f"{name}=(left out)"

    line = re.sub(r"\s+", " ", _PAIR.sub(kept, text)).strip()
    line = without_mail(line)
    return line if len(line) <= width else line[: width - 1] + "…"


def _asked_for(moment: Any) -> str:
    """A moment as `--known-at` wants it: whole seconds, rounded up so that nothing known at it is left out."""
    if not moment:
        return ""
    try:
        found = datetime.fromisoformat(str(moment))
    except ValueError:
        return ""
    if found.microsecond:
        found = found.replace(microsecond=0) + timedelta(seconds=1)
    return f"{found:%Y-%m-%dT%H:%M:%S}"


def severity_word(severity: Severity) -> str:
    """How a severity stands in a title."""
    return {"critical": "CRITICAL", "warning": "WARNING", "info": "INFO"}[severity]

"""Signed deviations for single partners: policies/exceptions.yml in, rows of `policy.exceptions` out.

They stand in a file of their own so that signing one changes no approved version. What an exception does to a level is
dbt_project's work; whether the partner exists is judged by the gate, which knows the roster.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from pydantic import Field

from pipelines.policy.model import PolicyDocument
from pipelines.policy.parts import Day, Name, Part, PolicyName, Text
from pipelines.policy.reading import KeyPath, Problem, document_of, read_source, refuse, unknown
from pipelines.policy.rows import Row, row_of

FILES = ("exceptions.yml", "exceptions.yaml")
_EXPECTED = "the key `exceptions` with a list ([] when there is none)"


class HasDocument(Protocol):
    """Anything that stands for a policy version."""

    @property
    def document(self) -> PolicyDocument: ...


class Signed(Part):
    """One deviation: this partner has this level of this ladder until that day, because, says who."""

    partner: Text = Field(description="the partner's number or id, in quotes if it is a number")
    ladder: Name = Field(description="the ladder it is about")
    level: Name = Field(description="the level the partner has meanwhile")
    from_: Day | None = Field(None, alias="from", description="the first day; none: from the beginning")
    until: Day = Field(description="the last day")
    why: Text = Field(description="the reason, for whoever reads the decision")
    approved_by: Text = Field(description="who signed it")
    policy: PolicyName | None = Field(None, description="the policy it is about; none: every one with such a level")

    def overlaps(self, other: Signed) -> bool:
        """Whether both speak about the same partner and ladder on the same day."""
        if (self.partner, self.ladder) != (other.partner, other.ladder):
            return False
        if self.policy and other.policy and self.policy != other.policy:
            return False
        begins, theirs = (one.from_ or datetime.date.min for one in (self, other))
        return begins <= other.until and theirs <= self.until


class ExceptionsDocument(Part):
    """The file of exceptions."""

    exceptions: list[Signed] = Field(description="a list, one entry for each partner and ladder")


def read_exceptions(folder: Path, policies: Iterable[HasDocument]) -> list[Row]:
    """The rows of `policy.exceptions` that a policy folder holds; none where it has no such file.

    `policies` are all policies of the folder: what no policy knows is refused, also where only some of them are run.

    Raises:
        PolicyError: the file is unreadable, an entry is not complete, names an unknown policy, ladder or level, ends
            before it begins, or contradicts another one.
    """
    there = [path for name in FILES if (path := folder / name).exists()]
    if not there:
        return []
    if len(there) > 1:
        found = Problem((), f"{FILES[1]} stands beside it", "one file of exceptions")
        raise refuse(str(there[0]), [found])
    source = read_source(there[0], _EXPECTED)
    document = document_of(source, ExceptionsDocument)
    problems = list(_problems(document.exceptions, [policy.document for policy in policies]))
    if problems:
        raise refuse(source.file, problems, source)
    rows = [
        row_of(
            "exceptions",
            {
                "policy": one.policy,
                "partner": one.partner,
                "ladder": one.ladder,
                "level": one.level,
                "valid_from": one.from_,
                "valid_until": one.until,
                "why": one.why,
                "approved_by": one.approved_by,
            },
        )
        for one in document.exceptions
    ]
    return sorted(rows, key=lambda row: (row["partner"], row["ladder"], row["valid_until"], row["policy"] or ""))


def _problems(listed: list[Signed], documents: list[PolicyDocument]) -> Iterator[Problem]:
    for index, one in enumerate(listed):
        path: KeyPath = ("exceptions", index)
        yield from _unknown_names(path, one, documents)
        if one.from_ and one.until < one.from_:
            yield Problem((*path, "until"), f"found {one.until}, before it begins on {one.from_}", "a later day")
            continue
        for earlier in range(index):
            if one.overlaps(listed[earlier]):
                found = (
                    f"{one.partner} on {one.ladder} until {one.until} overlaps exceptions[{earlier}]: "
                    f"{_days(listed[earlier])}"
                )
                yield Problem(path, found, "one exception at a time for a partner and a ladder")
                break


def _days(one: Signed) -> str:
    return f"{one.level} {f'from {one.from_} ' if one.from_ else ''}until {one.until}"


def _unknown_names(path: KeyPath, one: Signed, documents: list[PolicyDocument]) -> Iterator[Problem]:
    names = {document.policy for document in documents}
    if one.policy is not None and one.policy not in names:
        yield unknown((*path, "policy"), one.policy, names, "a policy of this folder")
        return
    about = [document for document in documents if one.policy in (None, document.policy)]
    ladders = {name for document in about for name in document.ladders}
    where = f"policy {one.policy}" if one.policy else "the policies of this folder"
    if one.ladder not in ladders:
        yield unknown((*path, "ladder"), one.ladder, ladders, f"a ladder of {where}")
        return
    levels = {
        level.level
        for document in about
        if one.ladder in document.ladders
        for level in document.ladders[one.ladder].levels
    }
    if one.level not in levels:
        yield unknown((*path, "level"), one.level, levels, f"a level of {one.ladder} in {where}")

"""From files and folders to what is wrong with each and what is worth a second look; one bad file hides no other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.catalogue import catalogue
from pipelines.errors import PolicyError
from pipelines.policy import Policy, read_exceptions, read_policies, read_policy
from pipelines.policy.exceptions import FILES as EXCEPTION_FILES
from pipelines.policy.reading import Source, read_source
from pipelines.policy_review.engine import Evaluate, by_the_models
from pipelines.policy_review.findings import Finding
from pipelines.policy_review.review import review

_PROBLEM = re.compile(r"^(?:line (?P<line>\d+), )?(?:`(?P<path>[^`]+)`: )?(?P<said>.*)$", re.DOTALL)


@dataclass(frozen=True)
class Refusal:
    """One thing for which a file is refused; `said` is what stands there and what should."""

    line: int | None
    path: str | None
    said: str

    def __str__(self) -> str:
        line = f"line {self.line}, " if self.line else ""
        return f"{line}{f'`{self.path}`: ' if self.path else ''}{self.said}"


@dataclass(frozen=True)
class Examined:
    """One file: the policy in it or why it is refused, and what the review found."""

    file: str
    policy: Policy | None = None
    refusals: tuple[Refusal, ...] = ()
    findings: tuple[tuple[Finding, int | None], ...] = ()
    """Each with the line it is about."""

    @property
    def warnings(self) -> list[tuple[Finding, int | None]]:
        return [each for each in self.findings if not each[0].is_note]

    @property
    def notes(self) -> list[tuple[Finding, int | None]]:
        return [each for each in self.findings if each[0].is_note]

    def as_json(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "policy": self.policy.key if self.policy else None,
            "refusals": [{"line": one.line, "path": one.path, "message": one.said} for one in self.refusals],
            "warnings": [finding.as_json(line) for finding, line in self.warnings],
            "notes": [finding.as_json(line) for finding, line in self.notes],
        }


def examine(
    paths: Iterable[Path], evaluate: Evaluate = by_the_models, *, on_file: Callable[[str], None] | None = None
) -> Iterator[Examined]:
    """Every file, and of a folder every policy; where a folder's files are in order, also whether they fit together.

    `on_file` hears of each policy before it is reviewed, which takes seconds.

    Raises:
        BuildError: dbt could not compile the models that judge.
    """
    for path in paths:
        files = _policies_of(path) if path.is_dir() else [path]
        refused = False
        for file in files:
            examined = _examined(file, evaluate, on_file)
            refused = refused or bool(examined.refusals)
            yield examined
        if path.is_dir() and not refused and (together := _together(path)):
            yield together


def _policies_of(folder: Path) -> list[Path]:
    """The files that a run would read, in its order."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in (".yml", ".yaml")
        and not path.name.startswith(".")
        and path.name.lower() not in EXCEPTION_FILES
    )


def _examined(file: Path, evaluate: Evaluate, on_file: Callable[[str], None] | None) -> Examined:
    try:
        policy = read_policy(file, catalogue())
    except PolicyError as error:
        return Examined(str(file), refusals=tuple(_refusals(str(file), error)))
    if on_file:
        on_file(str(file))
    source: Source = read_source(file)
    found = [(finding, source.line(finding.path)) for finding in review(policy, evaluate, catalogue())]
    return Examined(str(file), policy, findings=tuple(found))


def _together(folder: Path) -> Examined | None:
    """What is wrong between the files of a folder: versions, and exceptions to them."""
    try:
        read_exceptions(folder, read_policies(folder, catalogue()))
    except PolicyError as error:
        file = error.message.split(": ", 1)[0]
        return Examined(file, refusals=tuple(_refusals(file, error)))
    return None


def _refusals(file: str, error: PolicyError) -> Iterator[Refusal]:
    said = error.message.removeprefix(f"{file}: ")
    first, *others = said.splitlines()
    for line in [other.strip() for other in others] if re.fullmatch(r"\d+ problems", first) else [said]:
        match = _PROBLEM.match(line)
        assert match is not None  # every part of the pattern may be absent
        yield Refusal(int(match["line"]) if match["line"] else None, match["path"], match["said"])

"""Reads, checks and loads partner programmes: policies/*.yml in, rows of the schema `policy` out.

`parts`, `conditions`, `bands`, `declared` and `model` say what can be written, `reading` turns a file into a document,
`checks` judges the sense of it, `rows` makes the tables, `exceptions` does the same for the file of signed deviations.
No number of any programme stands here; evaluating rows is dbt_project's work.
"""

from __future__ import annotations

import datetime
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.errors import PolicyError
from pipelines.policy.checks import ATTRIBUTES, problems_of
from pipelines.policy.exceptions import FILES as EXCEPTION_FILES
from pipelines.policy.exceptions import read_exceptions
from pipelines.policy.model import PolicyDocument
from pipelines.policy.parts import nearest
from pipelines.policy.reading import (
    NEXT_STEP,
    Problem,
    Source,
    content_hash,
    document_of,
    parse_source,
    read_source,
    refuse,
)
from pipelines.policy.rows import TABLES, Row, merged, rows_of_document

__all__ = [
    "ATTRIBUTES",
    "TABLES",
    "Policy",
    "PolicyDocument",
    "in_force",
    "json_schema",
    "read_exceptions",
    "read_policies",
    "read_policy",
    "rows_of",
    "schema_text",
]


@dataclass(frozen=True)
class Policy:
    """One version of a programme, checked, and the days it decides."""

    document: PolicyDocument
    content_hash: str
    file: str
    effective_to: datetime.date | None = None

    @property
    def name(self) -> str:
        return self.document.policy

    @property
    def version(self) -> str:
        return self.document.version

    @property
    def key(self) -> str:
        """`name@version`, as the deployment and the released tables write it."""
        return f"{self.name}@{self.version}"

    @property
    def effective_from(self) -> datetime.date:
        return self.document.effective_from

    def rows(self) -> dict[str, list[Row]]:
        """All tables of `TABLES`, the same for the same content; `exceptions` belong to no version and stay empty."""
        return rows_of_document(self.document, self.content_hash, self.effective_to)


def read_policy(
    source: Path | str, catalogue: Iterable[str], *, file: str = "policy", attributes: Collection[str] = ATTRIBUTES
) -> Policy:
    """One policy from a file, or from its text (a proposal that stands in no folder yet) under the name `file`."""
    parsed = read_source(source) if isinstance(source, Path) else parse_source(source, file)
    return _checked(parsed, frozenset(catalogue), attributes)


def read_policies(folder: Path, catalogue: Iterable[str], *, attributes: Collection[str] = ATTRIBUTES) -> list[Policy]:
    """Every policy of a folder, by name and effective date; one unreadable file refuses them all.

    Sub-folders are left alone: published programmes kept for reference are not run.
    """
    try:
        found = sorted(folder.iterdir())
    except OSError as error:
        raise PolicyError(
            f"{folder}: the policy folder cannot be read ({error.strerror or error})",
            next_step="give the folder that holds the policies in segments.yml",
        ) from error
    files = [
        path
        for path in found
        if path.suffix.lower() in (".yml", ".yaml")
        and not path.name.startswith(".")
        and path.name.lower() not in EXCEPTION_FILES
    ]
    if not files:
        raise PolicyError(f"{folder}: holds no policy, expected at least one *.yml", next_step="add a policy file")
    known = frozenset(catalogue)
    policies: list[Policy] = []
    refusals: list[PolicyError] = []
    for path in files:
        try:
            policies.append(_checked(read_source(path), known, attributes))
        except PolicyError as error:
            refusals.append(error)
    if len(refusals) == 1:
        raise refusals[0]
    if refusals:
        raise PolicyError("\n".join(error.message for error in refusals), next_step=NEXT_STEP)
    return _versions(policies)


def _checked(source: Source, catalogue: frozenset[str], attributes: Collection[str]) -> Policy:
    document = document_of(source, PolicyDocument)
    problems = problems_of(document, catalogue, attributes)
    if problems:
        raise refuse(source.file, problems, source)
    return Policy(document, content_hash(source.data), source.file)


def _versions(policies: Iterable[Policy]) -> list[Policy]:
    """Policies in order, each ending where the next version of the same name begins."""
    by_name: dict[str, list[Policy]] = defaultdict(list)
    for policy in sorted(policies, key=_order):
        by_name[policy.name].append(policy)
    made: list[Policy] = []
    for versions in by_name.values():
        for index, policy in enumerate(versions):
            for other in versions[:index]:
                if problem := _conflict(other, policy):
                    raise refuse(policy.file, [problem])
        ends = [later.effective_from for later in versions[1:]] + [None]
        made += [replace(policy, effective_to=end) for policy, end in zip(versions, ends, strict=True)]
    return made


def _order(policy: Policy) -> tuple[str, datetime.date, str, str]:
    return policy.name, policy.effective_from, policy.version, policy.file


def _conflict(earlier: Policy, later: Policy) -> Problem | None:
    if earlier.version == later.version:
        found = f"{later.key} also stands in {earlier.file}"
        return Problem(("version",), found, "a version of its own in each file")
    if earlier.effective_from == later.effective_from:
        found = f"{later.effective_from} is also the first day of version {earlier.version} ({earlier.file})"
        return Problem(("effective_from",), found, "one version in force at a time")
    mine, theirs = _levels(later), _levels(earlier)
    for ladder in sorted({*mine, *theirs}):
        if mine.get(ladder) != theirs.get(ladder):
            found = (
                f"the levels of {ladder} are {_listed(mine.get(ladder))}, "
                f"in version {earlier.version} ({earlier.file}) {_listed(theirs.get(ladder))}"
            )
            expected = "the same levels, as held levels carry over from version to version; use a new policy name"
            return Problem(("ladders", ladder), found, expected)
    return None


def _levels(policy: Policy) -> dict[str, list[str]]:
    return {
        name: [level.level + (" (outside)" if level.outside else "") for level in ladder.levels]
        for name, ladder in policy.document.ladders.items()
    }


def _listed(levels: list[str] | None) -> str:
    return " > ".join(levels) if levels else "absent"


def in_force(policies: Sequence[Policy], name: str, on: datetime.date) -> Policy:
    """The version of `name` that decides on a day; `name@version` takes that version whatever the day."""
    wanted, _, version = name.partition("@")
    listed = ", ".join(f"{policy.key} from {policy.effective_from}" for policy in sorted(policies, key=_order))
    versions = sorted((policy for policy in policies if policy.name == wanted), key=_order)
    step = "name one of them in segments.yml (policy or policy@version)"
    if not versions:
        hint = nearest(wanted, {policy.name for policy in policies})
        guess = f"; did you mean `{hint}`?" if hint else ""
        raise PolicyError(f"there is no policy `{wanted}`, only {listed or 'none at all'}{guess}", next_step=step)
    if "@" in name:
        for policy in versions:
            if policy.version == version:
                return policy
        raise PolicyError(f"policy `{wanted}` has no version `{version}`, only {listed}", next_step=step)
    started = [policy for policy in versions if policy.effective_from <= on]
    if not started:
        raise PolicyError(
            f"no version of policy `{wanted}` is in force on {on}, only {listed}",
            next_step="give the first version an earlier effective_from, or name a version",
        )
    return started[-1]


def rows_of(policies: Iterable[Policy], exceptions: Iterable[Row] = ()) -> dict[str, list[Row]]:
    """The rows of several policies, table by table, whatever order they come in, and those of `read_exceptions`."""
    rows = merged(policy.rows() for policy in sorted(policies, key=_order))
    rows["exceptions"] = list(exceptions)
    return rows


def json_schema() -> dict[str, object]:
    """The JSON Schema of a policy file, for editors; committed as policies/policy.schema.json."""
    return PolicyDocument.model_json_schema(by_alias=True)


def schema_text() -> str:
    """The committed form of the schema (`python -m pipelines.policy > policies/policy.schema.json`)."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"

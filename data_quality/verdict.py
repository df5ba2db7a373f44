"""The decision on paper: what was asked, what was found, and whether the candidate may be released.

The same candidate, warehouse and parameters give the same file byte for byte, so it holds no clock time and no
duration. It is bound to the candidate by `candidate_hash`; comparing that hash again just before the move is the
release step's duty (`pipelines/release.py`). Judging is `gate.py`, the page for people is `report.py`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from data_quality.suite import Severity
from pipelines.errors import InputError

VERDICT_FILE = "verdict.json"
"""Name of the file beside a candidate, and beside the tables of a release."""
LISTED = 200
"""So many partner numbers stand in a result; a failure may touch a hundred thousand, and there may be many failures."""


class Result(BaseModel):
    """One expectation's outcome."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    suite: str
    table: str
    expectation: str
    severity: Severity
    success: bool
    raised: bool = False
    """It could not be evaluated, which says nothing good about the data: always a refusal."""
    observed: str = ""
    unexpected_count: int | None = None
    sample: tuple[str, ...] = ()
    says: str
    sql: str = ""
    """Statement that shows the failure again, with the two files attached as `warehouse` (in use) and `candidate`."""
    partners: tuple[str, ...] = ()
    """Numbers of partners that the failure touches, the first `LISTED` of them (`blast.py`)."""
    partner_count: int = 0
    """How many it touches."""
    at_risk: tuple[str, ...] = ()
    """Numbers of those whose level could differ, the first `LISTED` of them."""
    at_risk_count: int = 0
    """How many these are."""
    reach: str = ""
    """Both in words; or why nobody could tell."""

    @model_validator(mode="before")
    @classmethod
    def _counts_what_it_lists(cls, told: Any) -> Any:
        """Where nobody counted, the list is all there is."""
        if not isinstance(told, dict):
            return told
        counted = {
            count: len(told[listed])
            for listed, count in (("partners", "partner_count"), ("at_risk", "at_risk_count"))
            if isinstance(told.get(listed), list | tuple)
        }
        return {**counted, **told}

    @property
    def name(self) -> str:
        """Suite and expectation, as people and commands name it."""
        return f"{self.suite}.{self.expectation}"

    @property
    def refuses(self) -> bool:
        """Whether this outcome alone keeps a candidate from being released."""
        return not self.success and (self.raised or self.severity == "critical")

    def sentence(self) -> str:
        """The failure in words."""
        kind = "could not be judged" if self.raised else self.severity
        found = f" (found: {self.observed})" if self.observed else ""
        reach = f"; {self.reach}" if self.reach else ""
        return f"{self.table}: {self.says}{found}{reach} [{kind}: {self.suite}.{self.expectation}]"


class Verdict(BaseModel):
    """Everything the gate has to say about one candidate."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    candidate_hash: str
    decision: Literal["release", "refuse"]
    parameters: dict[str, str]
    results: tuple[Result, ...]

    @classmethod
    def of(cls, candidate_hash: str, parameters: dict[str, str], results: list[Result]) -> Verdict:
        """Sort the results and decide: one refusing result is enough, and no result at all is no proof."""
        ordered = tuple(sorted(results, key=lambda result: (result.suite, result.expectation, result.table)))
        refused = not ordered or any(result.refuses for result in ordered)
        return cls(
            candidate_hash=candidate_hash,
            decision="refuse" if refused else "release",
            parameters=dict(sorted(parameters.items())),
            results=ordered,
        )

    @property
    def is_released(self) -> bool:
        """Whether the candidate may be released."""
        return self.decision == "release"

    def failures(self) -> list[Result]:
        """What failed, refusing outcomes first, then by severity."""
        order = {"critical": 0, "warning": 1, "info": 2}
        failed = [result for result in self.results if not result.success]
        return sorted(failed, key=lambda result: (not result.refuses, order[result.severity]))

    def sentences(self) -> list[str]:
        """The decision and every failure in words."""
        failed = self.failures()
        refusing = sum(result.refuses for result in failed)
        held = f"{len(self.results) - len(failed)} of {len(self.results)} expectations hold"
        if self.is_released:
            head = f"release: {held}" + (f", {len(failed)} to look at" if failed else "")
        elif not self.results:
            head = "refuse: nothing was judged"
        else:
            head = f"refuse: {held}, {refusing} of the failures forbid the release"
        return [head, *(result.sentence() for result in failed)]

    def json_text(self) -> str:
        """The file's content."""
        return json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    def write(self, path: Path) -> None:
        """Write the verdict whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        with partial.open("w", encoding="utf-8") as file:
            file.write(self.json_text())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    @classmethod
    def read(cls, path: Path) -> Verdict:
        """A written verdict; InputError when it is missing, damaged or contradicts its own results."""
        try:
            verdict = cls.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, ValidationError) as error:
            raise InputError(f"{path.name} is no readable verdict, so nothing is released on it: {error}") from error
        if verdict != cls.of(verdict.candidate_hash, verdict.parameters, list(verdict.results)):
            raise InputError(f"{path.name}: the decision {verdict.decision!r} does not follow from the results in it")
        return verdict

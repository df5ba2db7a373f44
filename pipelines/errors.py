"""The errors a person is meant to read, each with the exit code the command line ends with.

Everything a room raises on purpose derives from `SegmentsError`; anything else is a defect and ends with code 1.
The codes are documented in README.md ("Exit codes") and held against this file by a test.
"""

from __future__ import annotations


class SegmentsError(Exception):
    """A failure with a message for people: what happened, and the next step where one is known."""

    exit_code = 1
    title = "failed"

    def __init__(self, message: str, *, next_step: str = "", trouble: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step
        self.about: dict[str, str] = {"trouble": trouble} if trouble else {}
        """For machines: `trouble` (the kind of incident, where it is not plain), `source` and `table`."""

    def __str__(self) -> str:
        return f"{self.message}\n  next: {self.next_step}" if self.next_step else self.message


class ConfigError(SegmentsError):
    """The deployment file, an option or the environment is wrong; nothing was read or written."""

    exit_code = 2
    title = "configuration"


class PolicyError(ConfigError):
    """A policy file cannot be read or contradicts itself; nothing was read or written."""

    title = "policy"


class InputError(SegmentsError):
    """A source could not be read or looks damaged; the lake keeps what it had."""

    exit_code = 3
    title = "input"


class GateRefused(SegmentsError):
    """The gate refused the candidate; the previous release stays as it is."""

    exit_code = 4
    title = "refused"


class BuildError(SegmentsError):
    """dbt could not build the tables; nothing was judged or released."""

    exit_code = 5
    title = "build"


class Busy(SegmentsError):
    """Another run holds the warehouse and did not finish in time."""

    exit_code = 6
    title = "busy"

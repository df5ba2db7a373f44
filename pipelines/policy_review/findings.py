"""What the review has to say: one finding per thing somebody may not have meant, with partners that show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pipelines.policy.conditions import plain
from pipelines.policy.reading import KeyPath, key_path
from pipelines.policy_review.facts import Facts, Value

# Every kind of warning, in the order in which they are told; what it means stands in docs/checking-a-policy.md.
KINDS: dict[str, str] = {
    "loses_by_more": "doing more, getting less",
    "ratio_falls": "a ratio that falls when the partner does more",
    "track_loses": "a worse track by doing more",
    "gap": "a gap between bands",
    "out_of_reach": "a level or track that no search reaches",
    "cliff": "a small step, a large change",
    "single_value": "one known value carries the score",
    "no_track": "partners without a track",
    "over_capacity": "more hours promised than there are",
    "wide_buffer": "a buffer wider than the distance between levels",
    "uncapped_grace": "grace without a cap",
    "empty_level": "a level that gives nothing of its own",
    "tiny_groups": "places in groups that can be tiny",
}


@dataclass(frozen=True)
class Partner:
    """A partner of an example: what is known of it, and what the policy makes of that."""

    facts: Facts
    levels: Mapping[str, str]
    points: Mapping[str, Decimal | None] = field(default_factory=dict)
    total: Decimal | None = None
    track: str | None = None


@dataclass(frozen=True)
class Finding:
    """A warning (or, with `is_note`, something worth knowing that nobody needs to mend)."""

    kind: str
    path: KeyPath
    sentence: str
    fix: str
    partners: tuple[Partner, ...] = ()
    """Two partners that show it: A and B."""
    tells: tuple[str, ...] = ()
    """Which results of the partners matter: names of ladders, criteria, `total` and `track`."""
    assumed: str = ""
    is_note: bool = False

    @property
    def place(self) -> str:
        return key_path(self.path)

    def table(self) -> list[tuple[str, ...]]:
        """The partners side by side: a name and a value for each; a fact that is not stated is unknown."""
        names = list(dict.fromkeys(name for partner in self.partners for name in partner.facts))
        differing = [name for name in names if len({partner.facts.get(name) for partner in self.partners}) > 1]
        ordered = [*differing, *sorted(set(names) - set(differing))]
        rows = [(name, *(_shown(partner.facts.get(name)) for partner in self.partners)) for name in ordered]
        for told in self.tells:
            rows.append((_title(told), *(_result(partner, told) for partner in self.partners)))
        return rows

    def as_json(self, line: int | None) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "path": self.place,
            "line": line,
            "sentence": self.sentence,
            "fix": self.fix or None,
            "assumed": self.assumed or None,
            "partners": [
                {
                    "facts": {name: _plain_value(value) for name, value in partner.facts.items()},
                    "levels": dict(partner.levels),
                    "points": {name: _plain_value(value) for name, value in partner.points.items()},
                    "total": _plain_value(partner.total),
                    "track": partner.track,
                }
                for partner in self.partners
            ],
        }


def _title(told: str) -> str:
    kind, _, name = told.partition(":")
    return {"points": f"points of {name}", "ladder": f"-> {name}"}.get(kind, f"-> {kind}")


def _result(partner: Partner, told: str) -> str:
    kind, _, name = told.partition(":")
    if kind == "ladder":
        return partner.levels.get(name, "-")
    if kind == "points":
        return _shown(partner.points.get(name))
    if kind == "track":
        return partner.track or "none"
    return _shown(partner.total, "no score")


def _shown(value: Value | None, absent: str = "unknown") -> str:
    if value is None:
        return absent
    return plain(value) if isinstance(value, Decimal) else value


def _plain_value(value: Value | None) -> str | int | float | None:
    """Numbers as JSON knows them: whole ones without a point."""
    if value is None or isinstance(value, str):
        return value
    return int(value) if value == value.to_integral_value() else float(value)

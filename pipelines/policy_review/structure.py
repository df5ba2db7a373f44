"""Warnings that the document itself shows: promises, movement, entitlements. Nothing has to be tried for them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from pipelines.policy.capacity import balance_when_full
from pipelines.policy.conditions import plain
from pipelines.policy.model import PolicyDocument
from pipelines.policy.reading import KeyPath
from pipelines.policy.rows import flat_benefits
from pipelines.policy_review.facts import ZERO, Rows
from pipelines.policy_review.findings import Finding, Partner

_SCORES = ("score", "dimension", "points")


def over_capacity(document: PolicyDocument) -> Iterator[Finding]:
    """Full levels that need more hours than there are, or levels that promise hours to any number of partners."""
    balance = balance_when_full(document)
    if balance.hours_missing:
        yield Finding(
            kind="over_capacity",
            path=("capacity",),
            sentence=f"With every level full, the promise cannot be kept: {balance.text()}.",
            fix="fewer hours or places in the levels, or more hours under `capacity`",
        )
    elif document.capacity is not None:
        yield from _open_promises(document, balance.uncounted)


def _open_promises(document: PolicyDocument, uncounted: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    for ladder, level in uncounted:
        index = [each.level for each in document.ladders[ladder].levels].index(level)
        is_last = index == len(document.ladders[ladder].levels) - 1
        yield Finding(
            kind="over_capacity",
            path=("entitlements", f"{ladder}.{level}"),
            sentence=f"{ladder}.{level} promises hours to any number of partners, so no capacity is ever enough.",
            fix="no hours on the last level" if is_last else f"`capacity` on the level {level}",
        )


def wide_buffer(document: PolicyDocument, rows: Rows) -> Iterator[Finding]:
    """A buffer with which two partners of the same score stand two levels apart for good."""
    for movement in rows["movement"]:
        ladder, buffer = movement["ladder"], Decimal(movement["buffer"] or 0)
        bars: dict[tuple[str, str], list[tuple[int, Decimal]]] = {}
        for row in rows.get("level_conditions", ()):
            if row["ladder"] == ladder and row["kind"] in _SCORES and row["operator"] in ("at_least", "above"):
                bars.setdefault((row["kind"], row["subject"]), []).append((row["rank"], Decimal(row["value"])))
        for (kind, subject), found in bars.items():
            lowest = {rank: min(bar for other, bar in found if other == rank) for rank, _ in found}
            ranks = sorted(lowest)
            near = [(u, w) for u, w in itertools.pairwise(ranks) if ZERO < lowest[u] - lowest[w] < buffer]
            if near:
                yield _wide_buffer(document, ladder, buffer, kind, subject, lowest, near[0])
                break


def _wide_buffer(
    document: PolicyDocument,
    ladder: str,
    buffer: Decimal,
    kind: str,
    subject: str,
    bars: Mapping[int, Decimal],
    near: tuple[int, int],
) -> Finding:
    levels = [level.level for level in document.ladders[ladder].levels]
    upper, lower = near
    distance = bars[upper] - bars[lower]
    middle = bars[lower] + distance / 2
    below = levels[lower] if lower < len(levels) else levels[-1]
    score = {"score": "total", "dimension": f"score of {subject}", "points": f"points of {subject}"}[kind]
    return Finding(
        kind="wide_buffer",
        path=("ladders", ladder, "movement", "buffer"),
        sentence=(
            f"The buffer of {plain(buffer)} is wider than the {plain(distance)} points between {levels[upper - 1]} and "
            f"{levels[lower - 1]}: at the same {score}, A keeps {levels[upper - 1]} and B does not even rise to "
            f"{levels[lower - 1]}."
        ),
        fix=f"a buffer of at most {plain(distance / 2)}, or bars further apart",
        partners=(
            Partner({"level held": levels[upper - 1], score: middle}, {ladder: levels[upper - 1]}),
            Partner({"level held": below, score: middle}, {ladder: below}),
        ),
        tells=(f"ladder:{ladder}",),
    )


def uncapped_grace(document: PolicyDocument, rows: Rows) -> Iterator[Finding]:
    """Levels that are kept for a while without being earned, with nothing that limits how many do."""
    for movement in rows["movement"]:
        ladder = document.ladders[movement["ladder"]]
        graces = [
            f"{key}: {movement[key]}"
            for key, none in (("demote_after", 1), ("new_partner_grace", 0), ("hold_until", "none"))
            if movement.get(key) not in (none, None)
        ]
        is_capped = any(level.capacity for level in ladder.levels) or bool(ladder.guardrails.max_share)
        gives = any(document.entitlements.get(f"{movement['ladder']}.{level.level}") for level in ladder.levels)
        if graces and gives and not is_capped:
            top = ladder.levels[0].level
            # Capacity takes the best by score, so it needs one.
            capped = f"`capacity` on {top}, or " if document.score else ""
            ways = f"{capped}`guardrails: {{max_share: {{{top}: ...}}}}`"
            yield Finding(
                kind="uncapped_grace",
                path=("ladders", movement["ladder"], "movement"),
                sentence=(
                    f"Partners keep a level they no longer earn ({', '.join(graces)}), and nothing limits how many: "
                    f"{top} grows beyond those who are good enough for it."
                ),
                fix=f"{ways}, so that the growth is seen",
            )


def empty_level(document: PolicyDocument) -> Iterator[Finding]:
    """Levels that give nothing, or just what the level below gives, on ladders whose levels give something."""
    for name, ladder in document.ladders.items():
        gives = [dict(flat_benefits(document.entitlements.get(f"{name}.{level.level}", {}))) for level in ladder.levels]
        inside = [index for index, level in enumerate(ladder.levels) if not level.outside]
        if not any(gives[index] for index in inside):
            continue
        for index in inside[:-1]:
            path: KeyPath = ("ladders", name, "levels", index)
            level, below = ladder.levels[index].level, ladder.levels[index + 1].level
            place = f"{name}.{level}"
            if not gives[index]:
                found = f"{place} has no entitlements: to get there changes nothing for a partner."
                yield Finding("empty_level", path, found, f"`entitlements: {{{place}: ...}}`, or no such level")
            elif gives[index] == gives[index + 1]:
                found = f"{place} gives exactly what {name}.{below} gives: to get there changes nothing for a partner."
                fix = f"something more under entitlements.{place}, or one level in the place of both"
                yield Finding("empty_level", ("entitlements", place), found, fix)

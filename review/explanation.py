"""Shows why a partner holds its levels: the score as a table, then each ladder with its conditions and what is missing.

Made for 80 columns, so that it reads the same in a narrow terminal, in a pipe and in a ticket.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from pipelines.explanation import (
    Condition,
    CriterionLine,
    DimensionLine,
    Exemption,
    Explanation,
    Granted,
    LadderStory,
    Score,
    Way,
)
from pipelines.policy.conditions import plain

_COLOURS = {"passed": "green", "failed": "red", "unknown": "yellow"}
_LABEL = 8
# A line of entitlements or reasons is indented to stand under its label.
_WIDEST = 100


def print_explanation(told: Explanation, out: Console) -> None:
    """Print one partner's story."""
    with out.capture() as captured:
        _print(told, out)
    # Tables fill their lines with spaces, which nobody wants in a pipe or a ticket.
    out.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def _print(told: Explanation, out: Console) -> None:
    width = min(out.width, _WIDEST)
    number = f"  {told.partner_number}" if told.partner_number else ""
    out.print(f"[bold]{escape(told.partner_name)}[/bold]{escape(number)}", soft_wrap=True)
    out.print(
        f"{told.quarter} (to {told.quarter_end}), policy {told.policy}@{told.version}, facts known up to "
        f"{told.known_at[:16]} UTC",
        markup=False,
        width=width,
    )
    if told.audience == "internal":
        known_to = f", known to {', '.join(told.systems)}" if told.systems else ""
        out.print(f"release {told.release}{known_to}", markup=False, style="dim", width=width)
    for note in told.notes:
        out.print(note, markup=False, style="yellow", width=width)
    if told.score:
        _print_score(told.score, out, width)
    for ladder in told.ladders:
        _print_ladder(ladder, out, width)


# --- score ------------------------------------------------------------------------------------------------------


def _print_score(score: Score, out: Console, width: int) -> None:
    out.print()
    place = f", place {score.rank:,} of {score.ranked:,}" if score.rank else ""
    track = f", track {score.track}" if score.track else ""
    total = "unknown" if score.total is None else _fixed([score.total])[0]
    evidence = "" if score.evidence_share is None else f"; {score.evidence_share:.0%} of its weight is known"
    out.print(f"[bold]score {total}[/bold]{escape(track)}{place}{evidence}", width=width)
    if not score.criteria:
        out.print("no criterion applies", style="dim", width=width)
        return
    is_weighted = any(line.weight is not None for line in score.criteria)
    grid = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0), width=width)
    grid.add_column("criterion", ratio=1)
    for heading in ("value", "points", "of", "lost", *(["weight"] if is_weighted else []), "adds"):
        grid.add_column(heading, justify="right", no_wrap=True)
    lines = score.criteria
    cells = {
        "points": _fixed([line.points for line in lines], none="-"),
        "adds": _fixed([line.contribution for line in lines] + [_sum_of(d) for d in score.dimensions], none="-"),
    }
    own = cells["adds"][: len(lines)]
    dimension_sums = dict(zip([d.dimension for d in score.dimensions], cells["adds"][len(lines) :], strict=True))
    scores = dict(
        zip([d.dimension for d in score.dimensions], _fixed([d.score for d in score.dimensions]), strict=True)
    )
    counted = {d.dimension: d.counted_weight for d in score.dimensions}
    so_far: str | None = None
    for index, line in enumerate(lines):
        if line.dimension and line.dimension != so_far:
            so_far = line.dimension
            row = [f"[bold]{so_far}[/bold]", "", f"[bold]{scores[so_far]}[/bold]", "", ""]
            if is_weighted:
                row.append(_weight(counted[so_far]))
            grid.add_row(*row, f"[bold]{dimension_sums[so_far]}[/bold]")
        row = [
            _named(line),
            "unknown" if line.value is None else plain(line.value),
            cells["points"][index],
            "" if line.max_points is None else plain(line.max_points),
            "" if not line.lost_to_cap else plain(line.lost_to_cap),
        ]
        if is_weighted:
            row.append(_weight(line.counted_weight))
        grid.add_row(*row, own[index])
    out.print(grid)
    out.print(f"contributions add up to {_fixed([score.contributions])[0]}", width=width)
    left_out = [line for line in lines if line.counted_weight is None]
    if is_weighted and left_out:
        out.print(
            f"{len(left_out)} of {len(lines)} criteria {'is' if len(left_out) == 1 else 'are'} left out; the weights "
            "shown are those of the others, with the rest shared out among them",
            style="dim",
            width=width,
        )


def _named(line: CriterionLine) -> str:
    """A criterion with its metric and, on a line of its own, whatever is to be said about it."""
    text = escape(line.criterion if line.criterion == line.metric else f"{line.criterion}: {line.metric}")
    remark = ": ".join(part for part in (line.reason, line.unknown_because) if part)
    return f"{text}\n[dim]{escape(remark)}[/dim]" if remark else text


def _sum_of(line: DimensionLine) -> Decimal | None:
    return None if line.score is None else line.contribution


def _weight(weight: Decimal | None) -> str:
    return "" if weight is None else f"{weight:.4f}"


def _fixed(values: Sequence[Decimal | None], *, none: str = "unknown") -> list[str]:
    """Numbers with the same decimals, two or as many as any of them needs."""
    digits = 2
    for value in values:
        exponent = value.normalize().as_tuple().exponent if value else 0
        digits = max(digits, -exponent if isinstance(exponent, int) else 0)
    return [none if value is None else f"{value:,.{digits}f}" for value in values]


# --- ladders ----------------------------------------------------------------------------------------------------


def _print_ladder(story: LadderStory, out: Console, width: int) -> None:
    out.print()
    out.print(f"[bold]{escape(story.ladder)}: {escape(story.held)}[/bold] ({escape(_moved(story))})", width=width)

    def line(label: str, text: str, style: str = "") -> None:
        grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0), width=width)
        grid.add_column(width=_LABEL, no_wrap=True, style="dim")
        grid.add_column(ratio=1, style=style)
        grid.add_row(label, escape(text))
        out.print(grid)

    if not story.is_on_record:
        line("record", "this quarter was never released; the level is what the replay gives")
    elif story.restated != story.held:
        line("record", f"{_released(story)}; with what is known now the replay gives {story.restated}", "yellow")
    elif story.released_in:
        line("record", f"{_released(story)}; all other numbers are what is known now")
    line("why", story.reason)
    if story.exception:
        line("signed", _signed(story.exception))
    if story.held_by:
        _print_way("holds", story.held_by, out, width)
    else:
        line("holds", f"{story.held} is the level without conditions")
    if story.to_keep:
        line("to keep", story.to_keep, "yellow")
    if story.next_by:
        _print_way("next up", story.next_by, out, width)
    elif story.next_level:
        line("next up", f"{story.next_level}, which has no conditions")
    line("to rise", story.to_rise)
    line("gets", _listed(story.entitlements) or "nothing of its own")
    if story.next_level and story.next_entitlements:
        line("then", f"{story.next_level}: {_listed(story.next_entitlements)}")


def _released(story: LadderStory) -> str:
    return f"held as released in {story.released_in}" if story.released_in else "held as released"


def _moved(story: LadderStory) -> str:
    reviews = "1 review" if story.reviews_held == 1 else f"{story.reviews_held} reviews"
    said = [story.action.replace("_", " "), f"since {story.held_since}, {reviews}"]
    if story.earned != story.held:
        said.insert(0, f"earned {story.earned}")
    if story.previous and story.previous != story.held:
        said.append(f"before: {story.previous}")
    if story.reviews_above:
        said.append(f"{story.reviews_above} in a row above")
    if story.reviews_below:
        said.append(f"{story.reviews_below} in a row below")
    return ", ".join(said)


def _signed(signed: Exemption) -> str:
    rules = f"; by the rules it would hold {signed.rules_give}" if signed.rules_give else ""
    return f"exception for {signed.level}{f': {signed.signed}' if signed.signed else ''}{rules}"


def _print_way(label: str, way: Way, out: Console, width: int) -> None:
    which = f" (way {way.alternative} of {way.ways}, the nearest)" if way.ways > 1 else ""
    verdict = "" if way.has_passed else f": {len(way.failed)} of {len(way.conditions)} not met"
    heading = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0), width=width)
    heading.add_column(width=_LABEL, no_wrap=True, style="dim")
    heading.add_column(ratio=1)
    heading.add_row(label, escape(f"{way.level}{which}{verdict}"))
    out.print(heading)
    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0), width=width - _LABEL - 1)
    grid.add_column(no_wrap=True, width=7)
    grid.add_column(ratio=1)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    for bar in way.conditions:
        colour = _COLOURS[bar.outcome]
        text = escape(bar.needed)
        if bar.unknown_because:
            text += f"\n[dim]{escape(bar.unknown_because)}[/dim]"
        if bar.outcome == "passed" and not bar.passes_raised and bar.needed_to_rise is not None:
            text += f"\n[dim]with the buffer {plain(bar.needed_to_rise)}[/dim]"
        grid.add_row(f"[{colour}]{bar.outcome}[/{colour}]", text, escape(_there(bar)), escape(_gap(bar)))
    out.print(Padding(grid, (0, 0, 0, _LABEL + 1), expand=False))


def _there(bar: Condition) -> str:
    """What there is, with all its decimals: a rounded number could seem to pass a bar that it misses."""
    if bar.actual_value is None or bar.kind == "top_share":
        return bar.actual
    return plain(bar.actual_value)


def _gap(bar: Condition) -> str:
    if bar.outcome != "failed" or not bar.distance:
        return ""
    unit = "places" if bar.kind == "top_share" else "missing" if bar.operator in ("at_least", "above") else "too much"
    return f"{plain(abs(bar.distance))} {unit}"


def _listed(granted: Sequence[Granted]) -> str:
    return ", ".join(f"{each.entitlement} {each.value}" for each in granted)

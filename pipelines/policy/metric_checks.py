"""Whether the metrics a policy names exist, and whether those of its own make sense: windows, facts, parts.

Part of `checks.py`, which says what a finding is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pipelines.policy.conditions import Bar
from pipelines.policy.declared import (
    FACT_COLUMNS,
    MAX_DEPTH,
    OF_NUMBERS,
    Declared,
    Derived,
    OwnWindow,
    cycle_from,
    depths,
)
from pipelines.policy.model import PolicyDocument
from pipelines.policy.reading import KeyPath, Problem, unknown
from pipelines.policy.rows import metrics_read, used_metrics

# Words that mean something else where metrics are named, too (`score.missing`).
RESERVED = ("default",)


def metric_problems(
    document: PolicyDocument, catalogue: Collection[str], attributes: Collection[str]
) -> Iterator[Problem]:
    """Unknown metrics, names that are taken, windows that cannot be, and derived metrics that stand on themselves."""
    own = {*document.declares, *document.derived}
    known = {*catalogue, *own}
    what = f"one of the {len(catalogue)} metrics of the catalogue" + (" or one of this policy's own" if own else "")
    for path, metric in used_metrics(document):
        if metric not in known:
            yield unknown(path, metric, known, what)
    yield from _names(document, catalogue, attributes)
    for name, declared in document.declares.items():
        yield from _declared(("declares", name), name, declared, document)
    for name in document.windows:
        if name in document.derived:
            expected = "windows of the metrics it is made of, or `metric` with a window in `derived`"
            yield Problem(("windows", name), f"{name} is derived", expected)
    for name, derived in document.derived.items():
        yield from _again(("derived", name), derived, document, catalogue)
    yield from _order(document.derived)
    yield from _whole_quarters(document, catalogue)


def _names(document: PolicyDocument, catalogue: Collection[str], attributes: Collection[str]) -> Iterator[Problem]:
    for key, names in (("declares", document.declares), ("derived", document.derived)):
        for name in names:
            taken = ""
            if name in catalogue:
                taken = "a metric of the catalogue"
            elif name in attributes:
                taken = "an attribute of partners"
            elif name in RESERVED:
                taken = "a word of the policy language"
            elif key == "derived" and name in document.declares:
                taken = "a declared metric"
            if taken:
                yield Problem((key, name), f"{name} is already {taken}", "a name of its own")


def _declared(path: KeyPath, name: str, declared: Declared, document: PolicyDocument) -> Iterator[Problem]:
    if declared.aggregate in OF_NUMBERS and declared.counted != "value":
        found = f"{declared.aggregate} of {declared.counted}"
        yield Problem((*path, "of"), found, f"value: {declared.aggregate} is of numbers, other things are counted")
    for key, wanted in declared.where.items():
        place = (*path, "where", key)
        if key == "value" and not isinstance(wanted, Bar):
            yield Problem(place, "value is a number", "a bar such as {at_least: 1000}")
        elif key != "value" and isinstance(wanted, Bar):
            what = "the subject is a text" if key in FACT_COLUMNS else "attributes of facts are texts"
            yield Problem(place, what, "a text or a list of texts (bars are for `value`)")
    if name in document.windows and (declared.window is not None or declared.lag is not None):
        yield Problem(("windows", name), f"{name} has a window where it is declared", "one of the two")


def _again(path: KeyPath, derived: Derived, document: PolicyDocument, catalogue: Collection[str]) -> Iterator[Problem]:
    """A metric through another window: what it may be, and which windows a catalogue metric has."""
    if derived.metric in document.derived:
        found = f"{derived.metric} is derived"
        yield Problem((*path, "metric"), found, "a catalogue or declared metric: parts have windows of their own")
    elif derived.metric in catalogue and derived.window == "ever":
        found = f"{derived.metric} is a metric of the catalogue"
        yield Problem((*path, "window"), found, "a number of quarters: `ever` is for declared metrics")


def _order(derived: dict[str, Derived]) -> Iterator[Problem]:
    """Each derived metric is made of earlier ones only; a circle is told once, by its first name."""
    places = {name: place for place, name in enumerate(derived)}
    told: set[str] = set()
    is_sound = True
    for name, metric in derived.items():
        cycle = cycle_from(name, derived)
        if cycle:
            is_sound = False
            if not told & set(cycle):
                yield Problem(("derived", name), f"it is made of itself: {' -> '.join(cycle)}", "no circles")
            told |= set(cycle)
            continue
        for step, operand in metric.mentions():
            if places.get(operand, -1) > places[name]:
                is_sound = False
                expected = f"metrics that stand above it; move {operand} up"
                yield Problem(("derived", name, *step), f"{operand} stands further down", expected)
    if is_sound:
        for name, depth in depths(derived).items():
            if depth == MAX_DEPTH + 1:
                found = f"it stands on {depth} layers of derived metrics"
                yield Problem(("derived", name), found, f"at most {MAX_DEPTH}")


def _whole_quarters(document: PolicyDocument, catalogue: Collection[str]) -> Iterator[Problem]:
    """Catalogue metrics are kept by the quarter, so their windows are whole quarters."""
    told: set[KeyPath] = set()
    for name in sorted(metrics_read(document)):
        derived = document.derived.get(name)
        source = derived.metric if derived else name
        if source is None or source not in catalogue or (derived and source in document.derived):
            continue
        if (span := document.span_of(name)).months is None or span.quarters is not None:
            continue
        window = derived.window if derived else None
        own = document.windows.get(source)
        path: KeyPath = ("window", "months")
        if isinstance(window, OwnWindow) and window.length is not None:
            path = ("derived", name, "window", "months")
        elif own is not None and own.length is not None:
            path = ("windows", source, "months")
        if path not in told:
            told.add(path)
            expected = "a multiple of 3: catalogue metrics are kept by the quarter (declared ones take any number)"
            yield Problem(path, f"found {span.months} for {source}", expected)

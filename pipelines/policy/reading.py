"""From bytes to a document: strict YAML with line numbers, and complaints that people can act on.

The shapes are in `model.py`, the sense of the whole in `checks.py`; nothing here knows what a weight or a level means.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from pipelines.errors import PolicyError
from pipelines.policy.conditions import CONDITION_KEYS, plain
from pipelines.policy.parts import Part, nearest

Document = TypeVar("Document", bound=Part)

KeyPath = tuple[str | int, ...]

# A programme of a few hundred lines is some 20 kB; what is far beyond that is another kind of file.
MAX_BYTES = 1_000_000
# The language itself goes some ten levels deep, and people stop following conditions well before this.
MAX_DEPTH = 30
MAX_SHOWN = 20
NEXT_STEP = "correct the policy; nothing was read from sources or written"


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a policy: where, what stands there, what should."""

    path: KeyPath
    found: str
    expected: str
    hint: str = ""
    line: int | None = None

    def __str__(self) -> str:
        place = f"`{key_path(self.path)}`: " if self.path else ""
        hint = f"; did you mean `{self.hint}`?" if self.hint else ""
        expected = f", expected {self.expected}" if self.expected else ""
        return f"{place}{self.found}{expected}{hint}"


@dataclass(frozen=True)
class Source:
    """A parsed file: its data, and the line each key path stands on."""

    file: str
    data: Any
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def line(self, path: KeyPath) -> int | None:
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)


def unknown(path: KeyPath, name: str, known: Collection[str], what: str) -> Problem:
    """A name that is none of those that are known; few are listed, of many the nearest is shown."""
    listed = f" ({', '.join(sorted(known))})" if 0 < len(known) <= 12 else ""
    return Problem(path, f'found the text "{name}"', f"{what}{listed}", nearest(name, known))


def key_path(path: KeyPath) -> str:
    """`ladders.tier.levels[2].enter`, with quotes around keys that have points in them."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.fullmatch(r"[\w-]+", step):
            text += f".{step}" if text else step
        else:
            text += f"[{json.dumps(step, ensure_ascii=False)}]"
    return text


def refuse(file: str, problems: Sequence[Problem], source: Source | None = None) -> PolicyError:
    """The error for everything wrong in one file, in the order of its lines."""
    placed = [(problem, problem.line or (source.line(problem.path) if source else None)) for problem in problems]
    placed.sort(key=lambda pair: pair[1] or 0)
    lines = [(f"line {line}, " if line else "") + str(problem) for problem, line in placed]
    if len(lines) == 1:
        return PolicyError(f"{file}: {lines[0]}", next_step=NEXT_STEP)
    shown = "\n".join(f"  {line}" for line in lines[:MAX_SHOWN])
    rest = f"\n  and {len(lines) - MAX_SHOWN} more" if len(lines) > MAX_SHOWN else ""
    return PolicyError(f"{file}: {len(lines)} problems\n{shown}{rest}", next_step=NEXT_STEP)


# --- bytes to data ----------------------------------------------------------------------------------------------


class _Loader(yaml.SafeLoader):
    """YAML with the plain words of YAML 1.2: `no` is a text, `1:30` is no number, numbers stay exact decimals."""

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.MarkedYAMLError(
                problem="found an anchor or alias (& or *); write the value out where it is used",
                problem_mark=event.start_mark,
            )
        return super().compose_node(parent, index)


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^[-+]?[0-9]+$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("timestamp", r"^\d{4}-\d{2}-\d{2}$", "0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


class _UnreadableError(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


POLICY_KEYS = "a policy (policy, version, effective_from, ...)"


def read_source(path: Path, expected: str = POLICY_KEYS) -> Source:
    """The data of one file; every way in which a file can be unreadable is a `PolicyError`."""
    file = str(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise refuse(file, [Problem((), f"found {path.stat().st_size:,} bytes", f"at most {MAX_BYTES:,}")])
        content = path.read_bytes()
    except OSError as error:
        raise refuse(file, [Problem((), f"cannot be read ({error.strerror or error})", "a readable file")]) from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        found = f"byte {error.object[error.start]:#04x} is not UTF-8"
        raise refuse(file, [Problem((), found, "a text file saved as UTF-8", line=line)]) from error
    return parse_source(text, file, expected)


def parse_source(text: str, file: str, expected: str = POLICY_KEYS) -> Source:
    """`text` as data with line numbers; duplicate keys, aliases and tags are refused.

    `expected` says what the file should hold, for the message about an empty one.
    """
    loader: Any = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        lines: dict[KeyPath, int] = {}
        data = _plain_data(node, (), lines) if node is not None else None
    except _UnreadableError as error:
        raise refuse(file, [error.problem]) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        begin = f" (begun on line {error.context_mark.line + 1})" if error.context and error.context_mark else ""
        context = f"{error.context}{begin}: " if error.context else ""
        raise PolicyError(f"{file}: {place}not YAML: {context}{error.problem or ''}", next_step=NEXT_STEP) from error
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        found = f"character U+{int(error.character):04X} is not allowed in YAML"
        raise refuse(file, [Problem((), found, "printable text", line=line)]) from error
    except RecursionError as error:
        raise refuse(file, [Problem((), "is nested too deeply", f"at most {MAX_DEPTH} levels")]) from error
    finally:
        if loader is not None:
            loader.dispose()
    if data is None:
        raise refuse(file, [Problem((), "the file is empty", expected)])
    if not isinstance(data, dict):
        raise refuse(file, [Problem((), f"found {_kind(data)} at the top", f"a mapping: {expected}")])
    return Source(file, data, lines)


def _plain_data(node: Node, path: KeyPath, lines: dict[KeyPath, int]) -> Any:
    line = node.start_mark.line + 1
    lines.setdefault(path, line)
    if len(path) > MAX_DEPTH:
        raise _UnreadableError(Problem(path, "is nested too deeply", f"at most {MAX_DEPTH} levels", line=line))
    if isinstance(node, SequenceNode):
        _known_tag(node, "tag:yaml.org,2002:seq", path)
        return [_plain_data(child, (*path, index), lines) for index, child in enumerate(node.value)]
    if isinstance(node, MappingNode):
        _known_tag(node, "tag:yaml.org,2002:map", path)
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key_line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                raise _UnreadableError(Problem(path, "a key is a list or a mapping", "a plain word", line=key_line))
            key = _scalar(key_node, path)
            if not isinstance(key, str):
                found = f"the key {key_node.value} is {_kind(key)}"
                raise _UnreadableError(Problem(path, found, "a word (put quotes around it)", line=key_line))
            if key in data:
                found = f"the key stands twice, on lines {lines[(*path, key)]} and {key_line}"
                raise _UnreadableError(Problem((*path, key), found, "each key once", line=key_line))
            lines[(*path, key)] = key_line
            data[key] = _plain_data(value_node, (*path, key), lines)
        return data
    return _scalar(node, path)


def _known_tag(node: Node, expected: str, path: KeyPath) -> None:
    if node.tag != expected:
        raise _UnreadableError(Problem(path, f"found the tag {node.tag}", "no tags", line=node.start_mark.line + 1))


def _scalar(node: Node, path: KeyPath) -> Any:
    kind, _, text = node.tag.rpartition(":")[2], None, node.value
    if node.tag == "tag:yaml.org,2002:str":
        return text
    try:
        if kind == "int":
            return int(text) if len(text) <= 30 else Decimal(text)
        if kind == "float":
            return Decimal(text)
        if kind == "timestamp":
            return datetime.date.fromisoformat(text)
    except (ValueError, ArithmeticError) as error:
        expected = "a day of the calendar" if kind == "timestamp" else "a number"
        raise _UnreadableError(Problem(path, f"found {text}", expected, line=node.start_mark.line + 1)) from error
    if kind == "bool" and node.tag.startswith("tag:yaml.org,2002:"):
        return text.lower() == "true"
    if kind == "null":
        return None
    raise _UnreadableError(Problem(path, f"found the tag {node.tag}", "no tags", line=node.start_mark.line + 1))


def _kind(value: Any) -> str:
    for types, name in (
        (bool, "true or false"),
        ((int, Decimal, float), "a number"),
        (str, "a text"),
        (datetime.date, "a date"),
        (list, "a list"),
        (dict, "a mapping"),
    ):
        if isinstance(value, types):
            return name
    return "nothing"


def shown(value: Any) -> str:
    """A value as it may be shown in one line of an error."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"found {str(value).lower()}"
    if isinstance(value, int | Decimal):
        text = plain(value) if abs(Decimal(value).adjusted()) < 25 else str(value)
        return f"found {text.replace(',', '') if len(text) <= 60 else text[:57] + '...'}"
    if isinstance(value, datetime.date):
        return f"found the date {value.isoformat()}"
    if isinstance(value, str):
        return f"found the text {json.dumps(value if len(value) <= 60 else value[:57] + '...', ensure_ascii=False)}"
    if isinstance(value, list | dict):
        return f"found {_kind(value)}" + (" with nothing in it" if not value else "")
    return f"found {type(value).__name__}"


# --- data to document -------------------------------------------------------------------------------------------


def document_of(source: Source, form: type[Document]) -> Document:
    """The validated document, or a `PolicyError` naming each key that is wrong."""
    try:
        return form.model_validate(source.data)
    except ValidationError as error:
        problems = [problem for details in error.errors(include_url=False) for problem in _problems(dict(details))]
        raise refuse(source.file, problems, source) from error
    except RecursionError as error:
        raise refuse(source.file, [Problem((), "is nested too deeply", f"at most {MAX_DEPTH} levels")]) from error


def _problems(details: dict[str, Any]) -> Iterable[Problem]:
    # Tags of tagged forms stand in <>, and a dictionary's key is marked "[key]"; neither is written in the file.
    path = tuple(
        step
        for step in details["loc"]
        if not (isinstance(step, str) and (step == "[key]" or (step.startswith("<") and step.endswith(">"))))
    )
    context = details.get("ctx") or {}
    value = details.get("input")
    kind = details["type"]
    if kind == "policy_keys":
        for key in context["unknown"]:
            expected = f"one of the keys {', '.join(context['known'])}"
            yield Problem((*path, str(key)), "unknown key", expected, nearest(key, context["known"]))
        for key, description in context["missing"]:
            yield Problem(path, f"the key `{key}` is missing", description)
        return
    if kind == "policy":
        yield Problem(path, shown(value), context["expected"])
    elif kind == "policy_condition":
        keys = list(value) if isinstance(value, dict) else []
        hint = next((guess for key in keys if (guess := nearest(key, CONDITION_KEYS))), "")
        found = f"found the keys {', '.join(map(str, keys))}" if keys else shown(value)
        yield Problem(path, found, f"a condition: a mapping with one of {', '.join(CONDITION_KEYS)}", hint)
    elif kind == "literal_error":
        expected = str(context["expected"]).replace("'", "`")
        choices = re.findall(r"`([^`]*)`", expected)
        yield Problem(path, shown(value), expected, nearest(value, choices) if isinstance(value, str) else "")
    else:
        yield Problem(path, shown(value), _EXPECTED.get(kind, details["msg"]).format(**context))


_EXPECTED = {
    "list_type": "a list (lines that begin with -)",
    "dict_type": "a mapping (key: value)",
    "too_short": "at least {min_length} of them",
    "string_type": "text",
    "bool_type": "true or false",
}


def content_hash(data: Any) -> str:
    """SHA-256 of what the file says, whatever its comments, spacing, quotes or order of keys."""
    text = json.dumps(_canonical(data, (), _ordered(data)), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _ordered(data: Any) -> frozenset[KeyPath]:
    """The mappings whose order of keys says something.

    Of tracks the first that fits is taken, of ladders the first is compared first. Ladders in the order of their
    names are written as before there was such an order, so that released policies keep their hashes.
    """
    ladders = data.get("ladders") if isinstance(data, dict) else None
    is_sorted = not isinstance(ladders, dict) or list(ladders) == sorted(ladders)
    return frozenset([("score", "tracks"), ("derived",), *([] if is_sorted else [("ladders",)])])


def _canonical(value: Any, path: KeyPath, ordered: frozenset[KeyPath]) -> Any:
    if isinstance(value, dict):
        pairs = [(key, _canonical(inner, (*path, key), ordered)) for key, inner in value.items() if inner is not None]
        # Benefits are shown in the order they are written in; everywhere else the order of keys says nothing.
        is_ordered = path in ordered or (len(path) >= 2 and path[0] == "entitlements")
        return [list(pair) for pair in pairs] if is_ordered else dict(pairs)
    if isinstance(value, list):
        return [_canonical(inner, (*path, index), ordered) for index, inner in enumerate(value)]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float | Decimal):
        number = Decimal(str(value)).normalize()
        return {"number": format(number, "f") if number else "0"}
    return value.isoformat() if isinstance(value, datetime.date) else str(value)

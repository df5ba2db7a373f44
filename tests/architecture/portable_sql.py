"""Finds SQL that DuckDB and Spark do not read alike, and says what to write instead.

    python -m tests.architecture.portable_sql          whole dbt project; ends with 1 when anything is found

What differs between engines belongs into `dbt_project/macros/adapter.sql`, the only file that is not read here. A line
that is right in spite of a rule says why, in a comment on it or at most two lines above: `-- portable: never 0, ...`.
What no pattern can see (NULL order in ranks, doubles cast to int, `date + interval`) is in CONTRIBUTING.md.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "dbt_project"
ADAPTER = "macros/adapter.sql"
WAIVER = "-- portable:"

Finder = Callable[[str], Iterator[int]]


@dataclass(frozen=True)
class Rule:
    """One banned construct: where it stands in masked SQL, and what to write in its place."""

    name: str
    find: Finder
    instead: str
    only_in: str = ""
    """A folder of the project outside of which the rule says nothing."""


@dataclass(frozen=True)
class Finding:
    """A banned construct in a file."""

    file: str
    line: int
    construct: str
    instead: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.construct}: write {self.instead}"


def _pattern(expression: str) -> Finder:
    compiled = re.compile(expression, re.IGNORECASE)
    return lambda sql: (match.start() for match in compiled.finditer(sql))


def _word(*names: str) -> Finder:
    return _pattern(rf"\b({'|'.join(names)})\b")


def _call(*names: str) -> Finder:
    return _pattern(rf"(?<![\w.])({'|'.join(names)})\s*\(")


def _exact_medians(sql: str) -> Iterator[int]:
    """`median(x)` unless x is `cast(... as double)`."""
    for match in re.finditer(r"(?<![\w.])median\s*\(", sql, re.IGNORECASE):
        argument = _inside(sql, match.end() - 1).strip()
        if not re.fullmatch(r"cast\s*\(.*\bas\s+double\s*\)", argument, re.IGNORECASE | re.DOTALL):
            yield match.start()


def _unguarded_divisions(sql: str) -> Iterator[int]:
    """`a / b` unless b is `nullif(...)`, a number that is not 0, or comes out of Jinja (where it is seen by itself)."""
    for match in re.finditer(r"/", sql):
        if "/" in (sql[match.start() - 1 : match.start()], sql[match.end() : match.end() + 1]):
            continue
        rest = sql[match.end() :].lstrip()
        if re.match(r"nullif\s*\(", rest, re.IGNORECASE) or re.match(r"0*[1-9]|0*\.0*[1-9]|0+\.0*[1-9]", rest):
            continue
        yield match.start()


def _inside(sql: str, opening: int) -> str:
    """The text between the bracket at `opening` and the one that closes it."""
    depth = 0
    for position in range(opening, len(sql)):
        depth += {"(": 1, ")": -1}.get(sql[position], 0)
        if depth == 0:
            return sql[opening + 1 : position]
    return sql[opening + 1 :]


_DAY = r"(?:\w+\.)?\w*(?:_date|_at|_day|_end|_start|\bday)\b"
_CAST_TO_DATE = r"cast\s*\([^()]*\bas\s+(?:date|timestamp)\s*\)"

RULES: tuple[Rule, ...] = (
    Rule("qualify", _word("qualify"), "a subquery with row_number() and a where"),
    Rule("columns left out of or replaced in *", _pattern(r"\*\s*(exclude|except|replace|rename)\s*\("), "the columns"),
    Rule("* exclude", _pattern(r"\*\s*exclude\b(?!\s*\()"), "the columns"),
    Rule("columns(...)", _call("columns"), "the columns, or a Jinja loop over them"),
    Rule(
        "range frame",
        _pattern(r"\brange\s+(between|unbounded|current|interval)\b"),
        "rows between over a dense quarter spine (an engine answers range frames wrongly without a word)",
    ),
    Rule("with recursive", _pattern(r"\bwith\s+recursive\b"), "the macro folded(), or a Jinja loop of fixed length"),
    Rule(
        "list or struct function",
        _call(
            r"list_\w+", r"array_(?!agg\b)\w+", "list", "struct_pack", "struct_extract", "named_struct", "struct",
            "map", r"map_\w+", "flatten", "collect_list", "collect_set", "len", "aggregate", "apply", "transform",
        ),
        "array_agg, or a macro of adapter.sql such as sorted_texts() and folded()",
    ),
    Rule("unnest", _call("unnest", "explode", "posexplode"), "one row per thing from the start, or a join on a spine"),
    Rule("list literal, index or slice", _pattern(r"\["), "substr(), a join, or a macro of adapter.sql"),
    Rule("struct literal", _pattern(r"\{"), "columns"),
    Rule("arrow (lambda or JSON)", _pattern(r"->|\blambda\b"), "the macro folded(), or columns"),
    Rule("median of an exact number", _exact_medians, "median(cast(... as double)), rounded afterwards"),
    Rule("quantile", _call(r"quantile\w*", "approx_quantile"), "percentile_cont(...) within group (order by ...)"),
    Rule("log()", _call("log"), "ln(), or ln(x) / ln(10): engines disagree on the base"),
    Rule("concat()", _call("concat"), "||, which gives NULL for NULL everywhere"),
    Rule(
        "regular expression match",
        _pattern(r"\b(regexp_matches|regexp_full_match|regexp_like|rlike|glob)\b|\bsimilar\s+to\b|!?~{1,2}\*?"),
        "like, position(), or a macro of adapter.sql",
    ),
    Rule(
        "regexp_replace or regexp_extract in a model",
        _call("regexp_replace", "regexp_extract", "regexp_extract_all", "regexp_split_to_array"),
        "a macro (one engine replaces the first match, the other all: anchor the pattern there)",
        only_in="models/",
    ),
    Rule(
        "date - date",
        _pattern(rf"(?:{_DAY}|{_CAST_TO_DATE})\s*-\s*(?:{_DAY}|{_CAST_TO_DATE}|date\s*')"),
        "the macro days_between(first, last): one engine gives a number, the other an interval",
    ),
    Rule("division that may be by 0", _unguarded_divisions, "a / nullif(b, 0): one engine gives inf, one an error"),
    Rule("//", _pattern(r"(?<!:)//"), "the macro whole_quotient()"),
    Rule(
        "date function of one engine",
        _call(
            r"date_?diff", r"date_?add", r"date_?sub", "add_months", "months_between", "age", "epoch", r"epoch_\w+",
            "make_date", "time_bucket", "dayname", "monthname", "isodow",
        ),
        "the macro days_between(), a join on deployment.days or deployment.quarters, or intervals with a cast",
    ),
    Rule(
        "strftime and its like",
        _call("strftime", "strptime", "try_strptime", "date_format", "to_char", "to_timestamp"),
        "cast(... as varchar), or the text from the spine in deployment.quarters",
    ),
    Rule("double-quoted identifier", _pattern(r'"'), "a name that needs no quotes"),
    Rule("pivot or unpivot", _word("pivot", "unpivot"), "max(case when ... then ... end)"),
    Rule("asof join", _pattern(r"\basof\b"), "a join on valid_from <= day and day < valid_to"),
    Rule("positional join", _pattern(r"\bpositional\s+join\b"), "a join on a key"),
    Rule("order by all", _pattern(r"\border\s+by\s+all\b"), "the columns"),
    Rule("distinct on", _pattern(r"\bdistinct\s+on\b"), "row_number() in a subquery"),
    Rule("arg_max, arg_min", _call("arg_max", "arg_min", "argmax", "argmin"), "max_by, min_by"),
    Rule("joined texts", _call("string_agg", "listagg", "group_concat"), "the macro joined()"),
    Rule("hugeint", _word("hugeint", "uhugeint", "ubigint", "uinteger"), "decimal, or a macro of adapter.sql"),
    Rule("table of numbers", _call("generate_series", "range"), "a join on deployment.quarters or deployment.days"),
    Rule("sampling", _pattern(r"\b(using\s+sample|tablesample)\b"), "nothing: results must repeat"),
    Rule("format() and its like", _call("format", "printf"), "|| and cast(... as varchar)"),
)  # fmt: skip


def masked(text: str) -> str:
    """`text` with comments, SQL literals and the code of Jinja blanked out; SQL inside Jinja's own strings stays.

    Every character keeps its place, so that a position still tells the line.
    """
    kept = list(text)
    position, in_literal = 0, False
    while position < len(text):
        opening = text[position : position + 2]
        if opening in ("{#", "{{", "{%"):
            end = _end_of_jinja(text, position)
            if opening == "{#" or in_literal:
                _blank(kept, position, end)
            else:
                _blank(kept, position, end)
                for start, stop in _jinja_strings(text, position + 2, end - 2):
                    inner = masked(_unescaped(text[start:stop]))
                    kept[start:stop] = inner
            position = end
        elif in_literal:
            if text[position] == "'":
                in_literal = False
            elif text[position] != "\n":
                kept[position] = " "
            position += 1
        elif opening == "--":
            end = text.find("\n", position)
            end = len(text) if end < 0 else end
            _blank(kept, position, end)
            position = end
        elif opening == "/*":
            end = text.find("*/", position)
            end = len(text) if end < 0 else end + 2
            _blank(kept, position, end)
            position = end
        else:
            in_literal = text[position] == "'"
            position += 1
    return "".join(kept)


def _end_of_jinja(text: str, start: int) -> int:
    """Where the Jinja block that opens at `start` ends; its strings may hold anything."""
    closing = {"{#": "#}", "{{": "}}", "{%": "%}"}[text[start : start + 2]]
    position, quote = start + 2, ""
    while position < len(text):
        character = text[position]
        if quote:
            if character == "\\":
                position += 1
            elif character == quote:
                quote = ""
        elif text.startswith(closing, position):
            return position + 2
        elif character in "'\"" and closing != "#}":
            quote = character
        position += 1
    return len(text)


def _jinja_strings(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The insides of the strings of a Jinja block."""
    position = start
    while position < end:
        quote = text[position]
        if quote not in "'\"":
            position += 1
            continue
        first = position + 1
        position = first
        while position < end and text[position] != quote:
            position += 2 if text[position] == "\\" else 1
        yield first, min(position, end)
        position += 1


def _unescaped(text: str) -> str:
    """A Jinja string as SQL sees it, the backslashes as blanks so that nothing moves."""
    return re.sub(r"\\(.)", r" \1", text)


def _blank(kept: list[str], start: int, end: int) -> None:
    for position in range(start, end):
        if kept[position] != "\n":
            kept[position] = " "


def check_text(file: str, text: str) -> list[Finding]:
    """What is banned in one file; `file` is its path inside the dbt project."""
    sql, lines = masked(text), text.splitlines()
    found = []
    for rule in RULES:
        if not file.startswith(rule.only_in):
            continue
        for position in rule.find(sql):
            line = text.count("\n", 0, position) + 1
            if not any(WAIVER in lines[number] for number in range(line - 3, line) if 0 <= number < len(lines)):
                found.append(Finding(file, line, rule.name, rule.instead))
    return sorted(found, key=lambda finding: (finding.line, finding.construct))


def check_project(project: Path = PROJECT) -> list[Finding]:
    """What is banned in models, macros and tests of a dbt project."""
    found = []
    for folder in ("models", "macros", "tests"):
        for path in sorted((project / folder).rglob("*.sql")):
            file = path.relative_to(project).as_posix()
            if file != ADAPTER:
                found += check_text(file, path.read_text(encoding="utf-8"))
    return found


def main() -> int:
    """Print what is banned; 1 when there is something."""
    found = check_project()
    for finding in found:
        print(f"dbt_project/{finding}")
    if found:
        print(f"{len(found)} place{'' if len(found) == 1 else 's'} where DuckDB and Spark would differ")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

"""One entity's files as one table in the entity's own columns: maps headers, settles how values are written, fills in.

Used by the connector `files`. The formats are `tablefile.py`, the spelling of values is `values.py`, the columns there
are `templates.py`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.connector import RejectedLines
from pipelines.errors import InputError
from pipelines.events import emit
from pipelines.tablefile import FILE_COLUMN, ROW_COLUMN, TableFile, open_table
from pipelines.templates import Column, Kind, columns_of, nearest, spelled, words_of
from pipelines.values import DateFormat, Dates, DecimalMark, Numbers, Undecided

_LONGEST_NAME = 60
_UNNAMED = "unnamed_"


@dataclass(frozen=True)
class How:
    """What the deployment file says about the files of one entity."""

    kind: Kind
    headers: dict[str, tuple[str, ...]]
    """Their header: our columns, usually one."""
    defaults: dict[str, str]
    """Our column: the value where there is none."""
    values: dict[str, dict[str, str]] = field(default_factory=dict)
    """Our column: {their word, folded: ours}; `*` is every other word."""
    only_with: tuple[str, ...] = ()
    """Our columns without which a row is none of this entity."""
    delimiter: str | None = None
    encoding: str | None = None
    date_format: DateFormat | None = None
    decimal_mark: DecimalMark | None = None


@dataclass(frozen=True)
class _Laid:
    """A file, and which columns its headers feed."""

    file: TableFile
    columns: tuple[str, ...]
    """One per header, in the order of the file."""
    copies: tuple[tuple[str, str, str], ...]
    """Further columns of a header: header, column, and the one it has the values of."""

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Header and column, for every column."""
        own = zip(self.file.names, self.columns, strict=True)
        return (*own, *((header, column) for header, column, _ in self.copies))


@dataclass
class _Noted:
    """What is known of one column after all files were looked through."""

    reader: Dates | Numbers | None = None
    has_values: bool = False


@dataclass
class FileTable:
    """One entity in one drop. Its files are looked through once, then read as often as they are asked for."""

    source: str
    entity: str
    how: How
    paths: dict[str, Path]
    """Files by what messages call them."""
    drop: str | None = None
    known_elsewhere: frozenset[str] = frozenset()
    """Headers, as `spelled`, that mean something to another entity which the same files feed."""
    _files: list[_Laid] = field(default_factory=list)
    _columns: dict[str, _Noted] = field(default_factory=dict)

    def batches(self, rejected: RejectedLines) -> Iterator[pa.Table]:
        """All rows of all files with one set of columns in one order, values in one spelling, no blank rows.

        Raises:
            InputError: a file is damaged, lacks a column, can be read in two ways, or changes while it is read.
        """
        if not self._files:
            files = [self._laid(file) for file in map(self._open, self.paths, self.paths.values())]
            self._look_through(files)
            self._files = files
        for laid in self._files:
            for table in laid.file.batches(laid.columns, rejected, first=False):
                kept = self._rows_of_the_entity(self._in_our_words(_without_blank_rows(table, laid.columns), laid))
                if kept.num_rows:
                    yield self._in_one_spelling(laid, kept)

    @property
    def _label(self) -> str:
        labels = list(self.paths)
        return ", ".join(labels[:3]) + (f" and {len(labels) - 3} more" if len(labels) > 3 else "")

    # -- headers

    def _open(self, label: str, path: Path) -> TableFile:
        known = words_of(self._template) | {spelled(header) for header in self.how.headers}
        return open_table(
            path,
            source=self.source,
            label=label,
            is_known=lambda header: spelled(header) in known,
            encoding=self.how.encoding,
            delimiter=self.how.delimiter,
        )

    @property
    def _template(self) -> tuple[Column, ...]:
        return columns_of(self.entity, self.how.kind)

    def _laid(self, file: TableFile) -> _Laid:
        """The raw columns of every header: what the deployment file says, else a column's name, else an alias of one.

        Raises:
            InputError: two headers mean one column, or a required column is missing.
        """
        ways: tuple[dict[str, tuple[str, ...]], ...] = (
            {spelled(header): columns for header, columns in self.how.headers.items()},
            # Columns of the other kinds too: a table has room for them.
            {spelled(column.name): (column.name,) for column in columns_of(self.entity)},
            {spelled(alias): (column.name,) for column in self._template for alias in column.aliases},
        )
        found: dict[int, tuple[str, ...]] = {}
        for way in ways:
            taken = {column for columns in found.values() for column in columns}
            for place, header in enumerate(file.names):
                columns = way.get(spelled(header), ())
                if place not in found and columns and not taken.intersection(columns):
                    self._hold_single(file, found, columns, header)
                    found[place] = columns
        unknown = [header for place, header in enumerate(file.names) if place not in found]
        self._hold_complete(file, {column for columns in found.values() for column in columns}, unknown)
        copies = [(file.names[place], more, first) for place, (first, *rest) in found.items() for more in rest]
        return _Laid(file, _with_names_for_the_rest(file.names, found), tuple(copies))

    def _hold_single(
        self, file: TableFile, found: dict[int, tuple[str, ...]], columns: tuple[str, ...], header: str
    ) -> None:
        for place, others in found.items():
            for column in columns:
                if column in others:
                    raise self._refused(
                        file.label,
                        f"the headers {file.names[place]!r} and {header!r} both mean {column}",
                        f"say which in sources.{self.source}.options.headers.{self.entity}, or take one out",
                        trouble="schema_changed",
                    )

    def _hold_complete(self, file: TableFile, there: set[str], unknown: list[str]) -> None:
        needed = {x.name for x in self._template if x.required} | set(self.how.only_with)
        missing = [x.name for x in self._template if x.name in needed - there - set(self.how.defaults)]
        if not missing or not file.names:  # JSON without an object: no rows rather than no header
            return
        count = "1 column" if len(file.names) == 1 else f"{len(file.names)} columns"
        if not there:
            raise self._refused(
                file.label,
                f"no header line of {self.entity} (the first line has {count}, and none is called "
                f"{' or '.join(missing)})",
                f"put the names of the columns above the rows; `segments sources template {self.entity} --kind "
                f"{self.how.kind}` writes the header",
                trouble="schema_changed",
            )
        if not self._is_a_header(file.names, unknown, there):
            unknown, strange = [], f" (the first line has {count}, and most are no headers)"
        else:
            strange = f"; unknown headers: {', '.join(self._with_nearest(unknown, there))}" if unknown else ""
        raise self._refused(
            file.label,
            f"required columns missing: {', '.join(missing)}{strange}",
            f"rename the headers, or map them in sources.{self.source}.options.headers.{self.entity}, e.g. "
            f"{{{_shown_header(unknown[0]) if unknown else 'their header'}: {missing[0]}}}",
            trouble="schema_changed",
        )

    def _is_a_header(self, names: tuple[str, ...], unknown: list[str], there: set[str]) -> bool:
        """Whether most of a first line means a column, or nearly: else it is a row, and people's names stand in it."""
        near = sum("did you mean" in told for told in self._with_nearest(unknown, there))
        return 2 * (len(names) - len(unknown) + near) >= len(names)

    def _with_nearest(self, headers: Iterable[str], there: set[str]) -> list[str]:
        free = [column.name for column in self._template if column.name not in there]
        words = {word: column.name for column in self._template if column.name in free for word in column.aliases}
        found = []
        for header in headers:
            near = nearest(header, [*free, *words])
            shown = _shown_header(header)
            found.append(
                (shown if "@" in header else repr(shown))
                + (f" - did you mean {words.get(near, near)}?" if near else "")
            )
        return found

    # -- a look through all of it

    def _look_through(self, files: list[_Laid]) -> None:
        types = {column.name: column.type for column in columns_of(self.entity)}
        for laid in files:
            for remark in laid.file.remarks:
                self._say(f"{laid.file.label}: {remark}")
            for name, column in laid.pairs:
                noted = self._columns.setdefault(column, _Noted())
                if name not in laid.file.typed and noted.reader is None:
                    noted.reader = self._reader(types.get(column, "text"))
        self._say_unused(files)
        self._say_left_out(*self._look_at_all(files))
        self._forget_columns_of_nothing()
        for laid in files:
            self._say_unknown(laid, set(types))
        self._decide()

    def _look_at_all(self, files: list[_Laid]) -> tuple[int, int]:
        """Look at every value; how many rows have none at all, and how many are none of this entity."""
        blank = other = 0
        for laid in files:
            for table in laid.file.batches(laid.columns, RejectedLines(), first=True):
                filled = self._in_our_words(_without_blank_rows(table, laid.columns), laid)
                kept = self._rows_of_the_entity(filled)
                blank += table.num_rows - filled.num_rows
                other += filled.num_rows - kept.num_rows
                self._look_at(laid, kept)
        return blank, other

    def _forget_columns_of_nothing(self) -> None:
        """Spreadsheets leave columns without a name and without a value behind the last one: they are no columns."""
        for column in [x for x, noted in self._columns.items() if x.startswith(_UNNAMED) and not noted.has_values]:
            del self._columns[column]

    def _reader(self, kind: str) -> Dates | Numbers | None:
        if kind in ("date", "ts"):
            return Dates(self.how.date_format, has_clock=kind == "ts")
        if kind in ("decimal", "int"):
            return Numbers(self.how.decimal_mark, is_whole=kind == "int")
        return None

    def _look_at(self, laid: _Laid, table: pa.Table) -> None:
        for name, column in laid.pairs:
            noted, values = self._columns[column], _array(table, column)
            noted.has_values = noted.has_values or not pc.all(_is_blank(values)).as_py()
            if noted.reader is not None and name not in laid.file.typed:
                noted.reader.look(values, partial(self._place, laid.file, table, values))

    def _place(self, file: TableFile, table: pa.Table, values: pa.Array, value: str) -> str:
        row = table[ROW_COLUMN][pc.index(values, value).as_py()].as_py()
        return f"row {row:,}" + (f" of {file.label}" if len(self.paths) > 1 else "")

    def _decide(self) -> None:
        """Settle how dates and numbers are meant, and tell what is worth telling.

        Raises:
            InputError: a column can be read in two ways and nobody said which.
        """
        proven: dict[str, list[str]] = {"dates": [], "numbers": []}
        for column, noted in self._columns.items():
            if noted.reader is None:
                continue
            try:
                words = noted.reader.decide()
            except Undecided as problem:
                raise self._refused(
                    self._label,
                    f"column {column}: {problem.found}",
                    f"say sources.{self.source}.options.{problem.option}",
                ) from None
            if words:
                proven["dates" if isinstance(noted.reader, Dates) else "numbers"].append(f"{column} {words}")
        for what, found in proven.items():
            if found:
                self._say(f"{self._label}: {what} are read as the columns prove: {'; '.join(found)}")
        self._hold_currencies()
        blank = [column for column, noted in self._columns.items() if not noted.has_values]
        if blank and len(blank) < len(self._columns):
            self._say(f"{self._label}: all values of {', '.join(blank)} are blank: unknown, not zero")

    def _hold_currencies(self) -> None:
        """A currency that stands with an amount is not kept: it must be the one that the row says, or all rows mean.

        Raises:
            InputError: several currencies stand with the amounts, and no column says which row has which.
        """
        said = self._columns.get("currency")
        if (said is not None and said.has_values) or not any(x.name == "currency" for x in self._template):
            return
        for column, noted in self._columns.items():
            found = sorted(noted.reader.currencies) if isinstance(noted.reader, Numbers) else []
            if len(found) > 1:
                raise self._refused(
                    self._label,
                    f"column {column}: amounts in {', '.join(found)} and no column currency",
                    "add a column currency with the ISO code of every row",
                )
            if found and "currency" not in self.how.defaults:
                self._say(
                    f"{self._label}: column {column}: {', '.join(found)} beside the amounts is not read; "
                    "without a column currency they are in the source's default_currency",
                    logging.WARNING,
                )

    # -- words

    def _say(self, message: str, level: int = logging.INFO) -> None:
        name = f"{self.source}.{self.entity}"
        emit("read_as", f"{name}: {message}", level=level, source=self.source, table=self.entity, drop=self.drop)

    def _say_unknown(self, laid: _Laid, known: set[str]) -> None:
        unknown = [
            header
            for header, column in laid.pairs
            if column not in known and column in self._columns and spelled(header) not in self.known_elsewhere
        ]
        if not unknown:
            return
        told = self._with_nearest(unknown, {column for _, column in laid.pairs})
        level = logging.WARNING if any("did you mean" in one for one in told) else logging.INFO
        self._say(f"{laid.file.label}: headers of no column, kept in the lake: {', '.join(told)}", level)

    def _say_unused(self, files: list[_Laid]) -> None:
        there = {spelled(name): name for laid in files for name in laid.file.names}
        for header, columns in self.how.headers.items():
            if spelled(header) not in there:
                near = nearest(header, there.values())
                hint = f", did you mean {near!r}?" if near else ""
                self._say(
                    f"{self._label}: `headers` maps {header!r} to {' and '.join(columns)}, and no file has it{hint}",
                    logging.WARNING,
                )
        for column in self.how.values:
            if column not in self._columns:
                self._say(f"{self._label}: `values` speaks of {column}, and no file has it", logging.WARNING)

    def _say_left_out(self, blank: int, other: int) -> None:
        if blank:
            self._say(f"{self._label}: {blank:,} rows without any value are left out")
        if other:
            self._say(f"{self._label}: {other:,} rows without {' or '.join(self.how.only_with)} are left out, as told")

    def _refused(self, label: str, what: str, next_step: str, *, trouble: str = "") -> InputError:
        return InputError(
            f"source {self.source}: {label}: {what}; nothing was loaded", next_step=next_step, trouble=trouble
        )

    # -- values

    def _in_our_words(self, table: pa.Table, laid: _Laid) -> pa.Table:
        """With the further columns that a header feeds, and words that the deployment file knows put into ours."""
        for _, column, first in laid.copies:
            table = table.append_column(column, table[first])
        for column, words in self.how.values.items():
            if column in table.column_names:
                place = table.column_names.index(column)
                table = table.set_column(place, column, _in_words(_array(table, column), words))
        return table

    def _rows_of_the_entity(self, table: pa.Table) -> pa.Table:
        for column in self.how.only_with:
            if column in table.column_names:
                table = table.filter(pc.invert(_is_blank(_array(table, column))))
        return table

    def _in_one_spelling(self, laid: _Laid, table: pa.Table) -> pa.Table:
        names = [*self._order(), FILE_COLUMN, ROW_COLUMN]
        is_typed = {column: name in laid.file.typed for name, column in laid.pairs}
        arrays = [self._values(table, name, is_typed.get(name)) for name in names]
        return pa.Table.from_arrays(arrays, names=names)

    def _order(self) -> list[str]:
        """All columns that any file or the deployment file has: those of the template as it has them, then the rest."""
        there = set(self._columns) | set(self.how.defaults)
        own = [column.name for column in columns_of(self.entity)]
        return [name for name in own if name in there] + sorted(there - set(own))

    def _values(self, table: pa.Table, name: str, is_typed: bool | None) -> pa.Array:
        if name in (FILE_COLUMN, ROW_COLUMN):
            return table[name]
        values = _array(table, name) if is_typed is not None else pa.nulls(table.num_rows, pa.string())
        noted = self._columns.get(name)
        if noted is not None and noted.reader is not None and is_typed is False:
            values = noted.reader.spell(values)
        if name in self.how.defaults:
            values = pc.if_else(_is_blank(values), self.how.defaults[name], values)
        return values


def _shown_header(header: str) -> str:
    """A header as a message may show it: without a header line the first row stands there, with people's addresses."""
    return "(an e-mail address)" if "@" in header else header


def _array(table: pa.Table, name: str) -> pa.Array:
    column = table[name]
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _is_blank(values: pa.Array) -> pa.Array:
    return pc.fill_null(pc.equal(pc.utf8_trim_whitespace(values), ""), True)


def _in_words(values: pa.Array, words: dict[str, str]) -> pa.Array:
    """The column with the words that the deployment file knows put into ours; `*` stands for all others but blanks."""
    different = pc.unique(values)
    ours = []
    for text in different.to_pylist():
        word = (text or "").strip()
        ours.append((words.get(word.casefold(), words.get("*", text)) or None) if word else text)
    return pa.array(ours, pa.string()).take(pc.index_in(values, different))


def _without_blank_rows(table: pa.Table, columns: tuple[str, ...]) -> pa.Table:
    """Spreadsheets leave rows of nothing but delimiters below the last one: they are no rows."""
    if not columns or table["source_id" if "source_id" in columns else columns[0]].null_count == 0:
        return table
    has_value = None
    for column in columns:
        here = pc.invert(_is_blank(_array(table, column)))
        has_value = here if has_value is None else pc.or_(has_value, here)
    return table.filter(has_value)


def _with_names_for_the_rest(headers: tuple[str, ...], found: dict[int, tuple[str, ...]]) -> tuple[str, ...]:
    """A raw column for every header of no column as well, none of them twice and none that the lake uses itself."""
    taken = {FILE_COLUMN, ROW_COLUMN}.union(*found.values())
    names: list[str] = []
    for place, header in enumerate(headers):
        name = found[place][0] if place in found else _raw_name(header, place + 1)
        if place not in found:
            free = (name if number == 1 else f"{name}_{number}" for number in range(1, len(headers) + 2))
            name = next(one for one in free if one not in taken)
            taken.add(name)
        names.append(name)
    return tuple(names)


def _raw_name(header: str, place: int) -> str:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", header)
    name = re.sub(r"[^0-9a-z]+", "_", spaced.lower()).strip("_")[:_LONGEST_NAME].strip("_")
    if not name:
        return f"{_UNNAMED}{place}"
    return f"column_{name}" if name[0].isdigit() else name

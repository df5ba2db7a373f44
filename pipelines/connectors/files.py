"""Files: any CRM, account-mapping platform or PRM by its exports, one file (or several) per entity.

What: CSV, TSV, JSON lines, a JSON array or Parquet, named after the entities of `pipelines/templates.py`, in one
folder per source. Sub-folders named by day (`2026-07-05`) or moment (`2026-07-05T06-00`, UTC) are drops: each is what
was known then. Without such sub-folders the folder is the one drop.

| file | raw table | loads |
|---|---|---|
| `<entity>.csv`, `<entity>-anything.csv`, ... | raw_files.<entity> | full snapshot per drop; what has changed lands |

Paging: none. What can go wrong: another tool's headers (mapped by alias or option, else told with the nearest name) and
its own words (mapped by option), delimiter and encoding (detected and told), day and month or thousands and decimals
that could be meant either way (told in an option or proven by the column, never guessed), a table that a later drop
leaves out (it keeps its last state, with a warning), an old drop that is corrected or added later (it lands with its
own moment).
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipelines.connector import Connector, Instance, Reading, Table
from pipelines.errors import ConfigError, InputError
from pipelines.filetable import FileTable, How
from pipelines.tablefile import EXTENSIONS, extension_of
from pipelines.templates import (
    TEMPLATES,
    Column,
    Kind,
    columns_of,
    did_you_mean,
    entities_of,
    required_of,
    spelled,
    words_of,
)
from pipelines.textfile import fingerprint, unreadable
from pipelines.values import ISO_DATE, PLAIN_NUMBER, DateFormat, DecimalMark

_DAY, _MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}"), re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}-\d{2}(-\d{2})?")
_LOOKS_LIKE_A_DROP = re.compile(r"(19|20)\d{2}.*\d|\d{1,2}[-_.]\d{1,2}[-_.]\d{2,4}")
# What people leave in such a folder, and what they would like to be read and cannot be.
_NEVER = (".*", "_*", "~*", "readme*")
_SPREADSHEETS = ("xlsx", "xls", "xlsm", "xlsb", "ods", "numbers", "zip", "7z", "rar", "xml")
# Raise when files are read into other values than before, so that unchanged files are read again.
_READING = 1


class Options(BaseModel):
    """Options of one file source."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind = Field(description="what system the files come from: crm, account_mapping or prm")
    folder: Path = Field(Path("."), description="folder of the files or of the drops, relative to paths.inputs")
    files: dict[str, str | list[str]] = Field(
        default_factory=dict, description="entity: file name, pattern or list of them, where they are called otherwise"
    )
    headers: dict[str, dict[str, str | list[str]]] = Field(
        default_factory=dict,
        description="entity: {their header: our column, or a list of them}, for headers that are not recognised",
    )
    values: dict[str, dict[str, dict[str, str]]] = Field(
        default_factory=dict,
        description='entity: {column: {their word: our value}}; the word "*" stands for every other',
    )
    defaults: dict[str, dict[str, str]] = Field(
        default_factory=dict, description="entity: {column: value} where the file has no such column or leaves it blank"
    )
    only_with: dict[str, str | list[str]] = Field(
        default_factory=dict,
        description="entity: column or columns; rows in which one of them is blank are none of this entity",
    )
    delimiter: str | None = Field(None, description="between values; unset: detected among , ; tab and |")
    encoding: str | None = Field(None, description="e.g. cp1252; unset: by byte order mark, else UTF-8")
    date_format: DateFormat | None = Field(
        None, description="iso, day_first or month_first; unset: ISO, or what each column proves"
    )
    decimal_mark: DecimalMark | None = Field(None, description="'.' or ','; unset: what each column proves")
    exported_at: datetime | None = Field(
        None, description="when the files were exported, if they lie in no drops; unset: when they are loaded"
    )
    may_be_empty: list[str] = Field(default_factory=list, description="entities whose file may hold no rows")
    ignore: list[str] = Field(default_factory=list, description="patterns of files and folders to leave alone")
    partner_types: list[str] = Field(
        default_factory=list, description="account types that count as partners besides is_partner"
    )
    default_currency: str | None = Field(
        None, pattern=r"^[A-Z]{3}$", description="currency of amounts without one; unset: the reporting currency"
    )

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        value = {"tab": "\t", "\\t": "\t"}.get(value or "", value)
        if value is not None and (len(value) != 1 or value.isalnum() or value in "\"'\r\n. "):
            raise ValueError("expected one character such as , ; | or the word tab")
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        try:
            is_text = value is None or codecs.lookup(value)._is_text_encoding
        except LookupError:
            is_text = False
        if not is_text:
            raise ValueError("unknown encoding, expected one such as utf-8, cp1252, latin-1, utf-16, mac-roman")
        return value

    @field_validator("files")
    @classmethod
    def _inside_the_folder(cls, value: dict[str, str | list[str]]) -> dict[str, str | list[str]]:
        for entity, patterns in value.items():
            for pattern in [patterns] if isinstance(patterns, str) else patterns:
                if not pattern or Path(pattern).is_absolute() or ".." in Path(pattern).parts:
                    raise ValueError(f"files.{entity}: expected a name or pattern inside the folder, found {pattern!r}")
        return value

    @field_validator("defaults", mode="before")
    @classmethod
    def _as_written(cls, value: Any) -> Any:
        """YAML reads `true`, `2026-07-05` and `5` as what they are; a column is text."""
        if not isinstance(value, dict):
            return value
        return {
            entity: {name: _as_text(one) for name, one in columns.items()} if isinstance(columns, dict) else columns
            for entity, columns in value.items()
        }

    @field_validator("headers", mode="before")
    @classmethod
    def _headers_as_written(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            entity: _words(entity, mapped) if isinstance(mapped, dict) else mapped for entity, mapped in value.items()
        }

    @field_validator("values", mode="before")
    @classmethod
    def _values_as_written(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            entity: {name: _values_of(f"{entity}.{name}", words) for name, words in columns.items()}
            if isinstance(columns, dict)
            else columns
            for entity, columns in value.items()
        }

    @model_validator(mode="after")
    def _names_are_known(self) -> Options:
        known = entities_of(self.kind)
        for option in ("files", "headers", "values", "defaults", "only_with", "may_be_empty"):
            for name in getattr(self, option):
                if name not in known:
                    raise ValueError(f"{option}: {_no_entity(name, self.kind)}; expected one of: {', '.join(known)}")
        for entity, mapped in self.headers.items():
            _hold_columns("headers", entity, self.kind, [name for names in mapped.values() for name in _listed(names)])
        for entity, names in self.only_with.items():
            _hold_columns("only_with", entity, self.kind, _listed(names))
            filled = set(_listed(names)) & set(self.defaults.get(entity, {}))
            if filled:
                raise ValueError(f"only_with.{entity}: {', '.join(sorted(filled))} is never blank, defaults fills it")
        for entity, defaults in self.defaults.items():
            _hold_columns("defaults", entity, self.kind, list(defaults))
            for column in columns_of(entity, self.kind):
                _hold_value(f"defaults.{entity}.{column.name}", column, defaults.get(column.name))
        for entity, columns in self.values.items():
            _hold_columns("values", entity, self.kind, list(columns))
            for column in columns_of(entity, self.kind):
                for word, ours in columns.get(column.name, {}).items():
                    _hold_value(f"values.{entity}.{column.name}.{word}", column, ours or None)
        return self


def _listed(names: str | list[str]) -> list[str]:
    return [names] if isinstance(names, str) else names


def _hold_columns(option: str, entity: str, kind: Kind, names: list[str]) -> None:
    known = [column.name for column in columns_of(entity, kind)]
    for name in names:
        if name not in known:
            raise ValueError(
                f"{option}.{entity}: unknown column {name!r}{did_you_mean(name, known)}; "
                f"expected one of: {', '.join(known)}"
            )


def _words(place: str, mapped: dict[Any, Any]) -> dict[Any, Any]:
    """A mapping whose keys are what stands in a file, as text again; an unquoted `No` has become false on the way.

    Raises:
        ValueError: YAML has taken a word for something that has no spelling.
    """
    for word in mapped:
        if isinstance(word, bool) or word is None:
            raise ValueError(
                f"{place}: YAML takes an unquoted word here for {json.dumps(word)}; put words such as yes and no into "
                "quotes"
            )
    return {_as_text(word): value for word, value in mapped.items()}


def _values_of(place: str, words: Any) -> Any:
    """Numbers and days as they are written in a file; no value is a blank."""
    if not isinstance(words, dict):
        return words
    return {word: "" if ours is None else _as_text(ours) for word, ours in _words(place, words).items()}


def _as_text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date) else str(value) if isinstance(value, int | float) else value


def _hold_value(option: str, column: Column, value: str | None) -> None:
    """A value of ours has to be in the spelling that values are put into."""
    if value is None:
        return
    if column.type in ("date", "ts") and not re.match(ISO_DATE, value):
        raise ValueError(f"{option}: expected an ISO date such as 2026-07-05, found {value!r}")
    if column.type in ("decimal", "int") and not re.match(PLAIN_NUMBER, value):
        raise ValueError(f"{option}: expected a number such as 1234.56, found {value!r}")
    if column.type == "bool" and value not in ("true", "false"):
        raise ValueError(f"{option}: expected true or false, found {value!r}")


def _no_entity(name: str, kind: Kind) -> str:
    """Why `name` is no entity of this kind."""
    if name in TEMPLATES:
        return f"{name} is no entity of kind {kind} ({' and '.join(TEMPLATES[name].kinds)} has it)"
    return f"unknown entity {name!r}{did_you_mean(name, entities_of(kind))}"


# -- which files -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Drop:
    """One folder of files of one moment; `name` is None where the source has one moment only."""

    folder: Path
    name: str | None
    known_at: datetime | None


def _drops(instance: Instance, folder: Path) -> list[_Drop]:
    """The drops of a source, oldest first.

    Raises:
        InputError: two drops of one moment, a folder that was meant to be a drop, or files that lie beside the drops.
        ConfigError: `exported_at` is told although the drops tell it.
    """
    options: Options = instance.options
    inside = sorted(path for path in folder.iterdir() if not _is_left_alone(path.name, options))
    dated = [(_moment_of(path.name), path) for path in inside if path.is_dir()]
    drops = sorted((moment, path) for moment, path in dated if moment is not None)
    odd = [path.name for moment, path in dated if moment is None and _LOOKS_LIKE_A_DROP.fullmatch(path.name)]
    if odd:
        raise InputError(
            f"source {instance.name}: folder {folder}: {', '.join(odd)}: no day or moment; nothing was loaded",
            next_step="name drops like 2026-07-05 or 2026-07-05T06-00, or put the folder in `ignore`",
        )
    if not drops:
        return [_Drop(folder, None, _as_utc(options.exported_at))]
    for (moment, path), (later, other) in pairwise(drops):
        if moment != later:
            continue
        raise InputError(
            f"source {instance.name}: folder {folder}: {path.name} and {other.name} are drops of one moment "
            f"({moment.isoformat()}); nothing was loaded"
        )
    beside = [path.name for path in inside if path.is_file() and extension_of(path.name) in EXTENSIONS]
    if beside:
        raise InputError(
            f"source {instance.name}: folder {folder}: {', '.join(beside)}: beside the drops, so nobody knows of what "
            "moment; nothing was loaded",
            next_step="move them into the drop they belong to, or put them in `ignore`",
        )
    if options.exported_at:
        raise ConfigError(
            f"source {instance.name}: exported_at is told and {folder} has drops, which tell it themselves; "
            "nothing was loaded",
            next_step=f"take exported_at out of sources.{instance.name}.options",
        )
    return [_Drop(path, path.name, moment) for moment, path in drops]


def _moment_of(name: str) -> datetime | None:
    for pattern, shape in ((_DAY, "%Y-%m-%d"), (_MOMENT, "%Y-%m-%dT%H-%M")):
        if pattern.fullmatch(name):
            try:
                return datetime.strptime(name, shape + ("-%S" if name.count("-") == 4 else "")).replace(tzinfo=UTC)
            except ValueError:
                return None
    return None


def _as_utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _is_left_alone(name: str, options: Options) -> bool:
    return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in (*_NEVER, *options.ignore))


def entity_of(stem: str, kind: Kind | None = None) -> str | None:
    """The entity that a file name without its ending stands for: `Training Records`, `partners-emea`, `csat.2026`."""
    best: tuple[int, str] | None = None
    for entity, template in TEMPLATES.items():
        if kind and kind not in template.kinds:
            continue
        for name in (entity, *template.aliases):
            pattern = re.escape(name).replace("_", "[-_ ]?")
            if re.match(rf"{pattern}($|[-.])", stem.strip(), re.IGNORECASE) and (best is None or len(name) > best[0]):
                best = (len(name), entity)
    return best[1] if best else None


def _assigned(instance: Instance, drop: _Drop) -> dict[str, list[Path]]:
    """The files of every entity in one drop.

    Raises:
        InputError: a file of no entity or of another kind's, two files that are one by name, or no file at all.
    """
    options: Options = instance.options
    place = f"source {instance.name}: {_where(drop)}"
    files = [
        path for path in sorted(drop.folder.iterdir()) if path.is_file() and not _is_left_alone(path.name, options)
    ]
    found: dict[str, list[Path]] = {}
    for entity, patterns in options.files.items():
        for pattern in [patterns] if isinstance(patterns, str) else patterns:
            matching = [path for path in sorted(drop.folder.glob(pattern)) if path.is_file()]
            if matching:
                found.setdefault(entity, []).extend(path for path in matching if path not in found.get(entity, []))
    taken = {path for paths in found.values() for path in paths}
    unknown: list[str] = []
    for path in files:
        extension = extension_of(path.name)
        if path in taken:
            continue
        if extension in _SPREADSHEETS:
            unknown.append(f"{path.name} (save it as CSV, one file per entity)")
        if extension not in EXTENSIONS:
            continue
        named = entity_of(_stem(path.name), options.kind)
        if named is None or named in options.files:
            unknown.append(_why_unknown(path.name, named, options))
        else:
            found.setdefault(named, []).append(path)
    if unknown:
        raise InputError(
            f"{place}: files of no entity: {', '.join(unknown)}; nothing was loaded",
            next_step=f"rename them, name them in sources.{instance.name}.options.files, or put them in `ignore`; the "
            f"entities of kind {options.kind} are {', '.join(entities_of(options.kind))}",
        )
    if not found:
        raise InputError(
            f"{place}: no file of an entity in {drop.folder}; nothing was loaded",
            next_step=f"put files there named after the entities, such as {entities_of(options.kind)[0]}.csv; "
            "`segments sources template` writes empty ones",
        )
    for entity, paths in found.items():
        _hold_apart(place, entity, paths)
    return {entity: found[entity] for entity in TEMPLATES if entity in found}


def _where(drop: _Drop) -> str:
    return f"drop {drop.name}" if drop.name else f"folder {drop.folder.name}"


def _stem(name: str) -> str:
    extension = extension_of(name)
    return name[: name.lower().rindex("." + extension)] if extension else name


def _why_unknown(name: str, entity: str | None, options: Options) -> str:
    if entity is not None:
        return f"{name} (`files` says that {entity} is in {options.files[entity]})"
    elsewhere = entity_of(_stem(name))
    if elsewhere:
        return f"{name} ({_no_entity(elsewhere, options.kind)})"
    return name + did_you_mean(_stem(name), entities_of(options.kind)).replace(", did", " - did")


def _hold_apart(place: str, entity: str, paths: list[Path]) -> None:
    """The parts of a split file have names of their own; `deals.csv` beside `deals.parquet` is one table twice."""
    stems = [_stem(path.name).lower() for path in paths]
    twins = [path.name for path, stem in zip(paths, stems, strict=True) if stems.count(stem) > 1]
    if twins and len({path.parent for path in paths}) == 1:
        raise InputError(
            f"{place}: {entity}: {' and '.join(twins)} are one file by name, all rows would be there twice; "
            "nothing was loaded",
            next_step="put one of them in `ignore`",
        )


# -- readings ----------------------------------------------------------------------------------------------------------


def read(instance: Instance) -> Iterator[Reading]:
    """One reading per entity and drop, oldest drop first.

    Raises:
        InputError: the folder is missing, or holds files of no entity or none at all.
        ConfigError: the options contradict what lies there.
    """
    options: Options = instance.options
    folder = (instance.inputs / options.folder).resolve()
    if not folder.is_dir():
        raise InputError(
            f"source {instance.name}: folder {folder}: not there; nothing was loaded",
            next_step="give the folder of the files with `--data`, or set paths.inputs in the deployment file",
        )
    try:
        drops = [(drop, _assigned(instance, drop)) for drop in _drops(instance, folder)]
    except OSError as problem:
        raise unreadable(f"folder {folder}", instance.name, problem) from None
    _hold_configured(instance, folder, [found for _, found in drops])
    for drop, found in drops:
        for entity, paths in found.items():
            beside = [other for other in found if other != entity and not set(paths).isdisjoint(found[other])]
            yield _reading(instance, drop, entity, paths, beside)


def _hold_configured(instance: Instance, folder: Path, found: list[dict[str, list[Path]]]) -> None:
    options: Options = instance.options
    for entity, patterns in options.files.items():
        if not any(entity in one for one in found):
            raise InputError(
                f"source {instance.name}: folder {folder}: no file matches {patterns!r}, which "
                f"sources.{instance.name}.options.files says of {entity}; nothing was loaded",
                next_step="correct the pattern; it is relative to the folder, or to every drop in it",
            )


def _reading(instance: Instance, drop: _Drop, entity: str, paths: list[Path], beside: list[str]) -> Reading:
    """`beside` are the other entities that are read out of the same files."""
    options: Options = instance.options
    how = How(
        kind=options.kind,
        headers={header: tuple(_listed(names)) for header, names in options.headers.get(entity, {}).items()},
        defaults=options.defaults.get(entity, {}),
        values={
            column: {word.strip().casefold(): ours for word, ours in words.items()}
            for column, words in options.values.get(entity, {}).items()
        },
        only_with=tuple(_listed(options.only_with.get(entity, []))),
        delimiter=options.delimiter,
        encoding=options.encoding,
        date_format=options.date_format,
        decimal_mark=options.decimal_mark,
    )
    labels = {path.relative_to(drop.folder).as_posix(): path for path in paths}
    labels = {f"{drop.name}/{label}" if drop.name else label: path for label, path in labels.items()}
    elsewhere = [words_of(columns_of(other, options.kind)) for other in beside]
    elsewhere += [{spelled(header) for header in options.headers.get(other, {})} for other in beside]
    table = FileTable(instance.name, entity, how, labels, drop.name, frozenset().union(*elsewhere))
    shown = list(labels)[:3]
    return Reading(
        table=replace(_table(entity), may_be_empty=entity in options.may_be_empty),
        origin=", ".join(shown) + (f" and {len(labels) - len(shown)} more" if len(labels) > len(shown) else ""),
        version=_version(instance, entity, how, labels),
        batches=table.batches,
        known_at=drop.known_at,
        drop=drop.name,
        when_empty="export it again, take the file out, or name it in "
        f"sources.{instance.name}.options.may_be_empty: [{entity}]",
    )


def _version(instance: Instance, entity: str, how: How, labels: dict[str, Path]) -> str:
    """What the rows follow from: the files' bytes, whatever they are called, and everything that decides how they are
    read. The same version, the same rows, so that nothing has to be looked through again."""
    files = sorted(fingerprint(path, source=instance.name, label=label) for label, path in labels.items())
    names = [(x.name, x.type, x.required, x.aliases, x.kinds) for x in TEMPLATES[entity].columns]
    told = [_READING, repr(how), names, sorted({extension_of(path.name) for path in labels.values()})]
    return sha256(json.dumps([files, told]).encode()).hexdigest()


def _table(entity: str) -> Table:
    kinds = TEMPLATES[entity].kinds
    needed = set.intersection(*(set(required_of(entity, kind)) for kind in kinds))
    return Table(
        name=entity,
        columns=tuple(column.name for column in columns_of(entity)),
        required=tuple(column.name for column in columns_of(entity) if column.name in needed),
    )


connector = Connector(
    name="files",
    kind="any",
    tables=tuple(_table(entity) for entity in TEMPLATES),
    entities={
        **{entity: f"stg_files__{entity}" for entity in TEMPLATES},
        "rejected_lines": "stg_files__rejected_lines",
    },
    options=Options,
    read=read,
    account_types=lambda options: options.partner_types,
    default_currency=lambda options: options.default_currency,
    offers_by_load=True,
    entities_for=lambda instance: [*entities_of(instance.options.kind), "rejected_lines"],
)

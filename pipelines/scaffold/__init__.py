"""Writes the skeleton of a connector into a source checkout: what every one has, and marks where the vendor's facts go.

The skeleton reads one object of an invented API from the first moment, parses, lints and type-checks; what it cannot
know (the vendor's objects, fields, words and limits) is marked `TODO` and held by tests of its own that name file and
mapping. The order in which they are filled in is CONTRIBUTING.md, "Add a source". The texts beside this file are the
templates.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from string import Template

from pipelines.connector import available
from pipelines.contract import entity_columns
from pipelines.errors import ConfigError
from pipelines.shape import PROJECT
from pipelines.templates import KINDS, did_you_mean

# Longer ones would break the lines of the skeleton.
_LONGEST_NAME = 30
_LONGEST_LINE = 120
_TEMPLATES = Path(__file__).resolve().parent
_ROOT = PROJECT.parent
# Folders of staging that are no vendor's, modules beside the fakes, and words of `segments sources`.
_TAKEN = (
    *("deployment", "policy", "released"),
    *("company", "faults", "serving", "trial"),
    *("describe", "list", "new", "probe", "template", "test"),
)


@dataclass(frozen=True)
class _Entity:
    """What the skeleton says of one entity: the columns without which it says nothing, and those that hold words.

    `words` are raw columns whose values a seed puts into common ones; what the seed does not know is `unlisted`.
    """

    name: str
    grain: str
    heart: tuple[str, ...]
    words: tuple[str, ...] = ()
    unlisted: str = "unknown"


_ENTITIES: dict[str, tuple[_Entity, ...]] = {
    "crm": (
        _Entity("accounts", "account", ("name", "is_partner")),
        _Entity("opportunities", "opportunity", ("account_id", "amount", "stage", "is_closed", "is_won", "close_date")),
        _Entity(
            "opportunity_partners",
            "opportunity, partner account and role",
            ("opportunity_id", "account_id", "role"),
            ("role",),
        ),
    ),
    "account_mapping": (
        _Entity("partners", "partner", ("name", "domain")),
        _Entity(
            "account_overlaps",
            "partner, account and pair of populations",
            ("partner_id", "own_account_id", "own_population", "partner_population"),
            ("own_population", "partner_population"),
            "other",
        ),
    ),
    "prm": (
        _Entity("partners", "partner", ("name", "domain", "status"), ("status", "motion")),
        _Entity(
            "deal_registrations",
            "registered deal",
            ("partner_id", "registration_status", "outcome", "amount", "submitted_at"),
            ("registration_status", "outcome"),
        ),
    ),
}
_WHAT = {"crm": "CRM", "account_mapping": "account-mapping platform", "prm": "partner portal"}
# What every raw table of the skeleton has: the record's id, whether it is deleted, and its modification stamp.
_COMMON = ("id", "is_deleted", "changed_at")
# Columns of an entity that do not come from a vendor's column of their own.
_GIVEN = ("source", "source_id", "extracted_at", "is_deleted", "is_test", "modified_at", "failed_casts", "load_id",
          "file_name", "file_row")  # fmt: skip

# A column that the conformed table wants known of every row.
_NEVER_NULL = ("is_primary",)


def write_connector(name: str, kind: str, *, root: Path = _ROOT) -> list[Path]:
    """Write everything a connector called `name` consists of, and enter it where all of them are listed.

    Args:
        name: in snake case; the name of module, staging folder, fake and tests.
        kind: crm, account_mapping or prm.
        root: the source checkout.

    Returns:
        The files that were written, then those in which it was entered.

    Raises:
        ConfigError: name or kind will not do, this is no source checkout, or a file is there already. Nothing is
            written then.
    """
    _hold_name(name, kind)
    _hold_checkout(root)
    made = _files(name, kind)
    there = [path for path in made if (root / path).exists()]
    if there:
        raise ConfigError(
            f"{name}: {', '.join(there)}: there already; nothing was written",
            next_step="choose another name, or remove what is left of the earlier one",
        )
    entered = _entries(root, name, kind)
    for path, text in {**made, **entered}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return [root / path for path in (*made, *entered)]


def files_of(name: str, *, root: Path = _ROOT) -> list[str]:
    """The files of a connector in which the skeleton leaves marks, those that are there, relative to the checkout."""
    staging = sorted((root / "dbt_project" / "models" / "staging" / name).glob("*.sql"))
    package = sorted((root / "pipelines" / "connectors" / name).glob("*.py"))
    modules = [root / "pipelines" / "connectors" / f"{name}.py", root / "demo" / "vendors" / f"{name}.py"]
    return [path.relative_to(root).as_posix() for path in (*modules, *package, *staging) if path.exists()]


def mark_left(file: str, *, root: Path = _ROOT) -> str | None:
    """What the first mark in a file asks for, as `file:line: words`; None when there is none left."""
    for number, line in enumerate((root / file).read_text(encoding="utf-8").splitlines(), 1):
        if "TODO" in line:
            return f"{file}:{number}: still to do: {line.split('TODO', 1)[1].strip(' :')}"
    return None


# -- may it be written -------------------------------------------------------------------------------------------------


def _hold_name(name: str, kind: str) -> None:
    if kind not in KINDS:
        raise ConfigError(
            f"--kind {kind}: unknown{did_you_mean(kind, KINDS)}; expected one of: {', '.join(KINDS)}; "
            "nothing was written"
        )
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or len(name) > _LONGEST_NAME:
        raise ConfigError(
            f"{name!r}: no name for a connector; expected snake case such as my_vendor, at most "
            f"{_LONGEST_NAME} characters; "
            "nothing was written"
        )
    if name in _TAKEN:
        raise ConfigError(f"{name}: the project uses this word itself; nothing was written")
    if name in available():
        raise ConfigError(
            f"{name}: there is a connector of this name; nothing was written",
            next_step=f"`segments sources {name}` says what it reads",
        )


def _hold_checkout(root: Path) -> None:
    wanted = ("CONTRIBUTING.md", "dbt_project/dbt_project.yml", "demo/vendors", "pipelines/connectors",
              "tests/connectors")  # fmt: skip
    missing = [path for path in wanted if not (root / path).exists()]
    if missing:
        raise ConfigError(
            f"{root}: no source checkout ({', '.join(missing)} not there), and a connector is part of the source; "
            "nothing was written",
            next_step="clone the repository, `python3 dev.py setup`, and run the command of that environment",
        )


# -- the files ---------------------------------------------------------------------------------------------------------


def _files(name: str, kind: str) -> dict[str, str]:
    """Every file of the skeleton with its text, by its path in the checkout."""
    entities = _ENTITIES[kind]
    staging = f"dbt_project/models/staging/{name}"
    words = {
        "name": name,
        "Class": "".join(part.capitalize() for part in name.split("_")),
        "NAME": name.upper(),
        "Title": name.replace("_", " ").capitalize(),
        "kind": kind,
        "what": _WHAT[kind],
        "first": entities[0].name,
        "listed": ", ".join(entity.name for entity in entities),
    }
    return {
        f"pipelines/connectors/{name}.py": _filled("connector.py.txt", {**words, **_connector_parts(name, kind)}),
        f"demo/vendors/{name}.py": _filled("fake.py.txt", {**words, "objects": _tuple(x.name for x in entities)}),
        f"{staging}/_{name}__sources.yml": _sources(name, entities),
        f"{staging}/_{name}__models.yml": _models(name, entities),
        **{f"{staging}/stg_{name}__{entity.name}.sql": _model(name, kind, entity) for entity in entities},
        f"{staging}/stg_{name}__rejected_lines.sql": _rejected_lines(name, entities),
        f"tests/connectors/{name}/test_{name}.py": _filled("test.py.txt", {**words, **_test_parts(name, entities)}),
    }


def _filled(template: str, words: dict[str, str]) -> str:
    return Template((_TEMPLATES / template).read_text(encoding="utf-8")).substitute(words)


def _tuple(names: Iterable[str]) -> str:
    return "(" + ", ".join(f'"{one}"' for one in names) + ")"


def _connector_parts(name: str, kind: str) -> dict[str, str]:
    entities = _ENTITIES[kind]
    tables = []
    for entity in entities:
        parts = [f'"{entity.name}"', _tuple(_raw_columns(entity)), 'required=("id",)', 'mode="increment"']
        tables.append("    Table(\n" + "".join(f"        {part},\n" for part in parts) + "    ),\n")
    options = {
        "crm": _PARTNER_TYPES + _DEFAULT_CURRENCY,
        "account_mapping": "",
        "prm": _DEFAULT_CURRENCY,
    }[kind]
    given = {
        "crm": "    account_types=lambda options: options.partner_types,\n"
        "    default_currency=lambda options: options.default_currency,\n",
        "account_mapping": "",
        "prm": "    default_currency=lambda options: options.default_currency,\n",
    }[kind]
    rows = [f"| `v1/{entity.name}` | raw_{name}.{entity.name} | what changed; at first, all |" for entity in entities]
    models = [f'        "{x.name}": "stg_{name}__{x.name}",\n' for x in (*entities, _Entity("rejected_lines", "", ()))]
    return {
        "paths": "\n".join(rows),
        "tables": "".join(tables),
        "options": options,
        "given": given,
        "models": "".join(models),
        "entity_tables": "".join(f'        "{entity.name}": "{entity.name}",\n' for entity in entities),
    }


_PARTNER_TYPES = """\
    partner_types: list[str] = Field(
        default_factory=list, description="account types that count as partners besides is_partner"
    )
"""
_DEFAULT_CURRENCY = """\
    default_currency: str | None = Field(
        None, pattern=r"^[A-Z]{3}$", description="currency of amounts without one; unset: the reporting currency"
    )
"""


def _raw_columns(entity: _Entity) -> tuple[str, ...]:
    return (_COMMON[0], *entity.words, *_COMMON[1:])


def _test_parts(name: str, entities: tuple[_Entity, ...]) -> dict[str, str]:
    imports = sorted(
        [
            "from demo.vendors.faults import Fault",
            f"from demo.vendors.{name} import TRIAL_KEY, trial",
            "from demo.vendors.trial import Running, running",
        ]
    )
    mapped = [f'    ("{entity.name}", "{column}"),\n' for entity in entities for column in entity.heart]
    return {
        "imports": "\n".join(imports),
        "entities": _tuple(entity.name for entity in entities),
        "mapped": "".join(mapped),
    }


def _sources(name: str, entities: tuple[_Entity, ...]) -> str:
    tables = "".join(
        f"      - name: {entity.name}\n        description: One row per {entity.grain}, and load.\n"
        for entity in entities
    )
    return (
        f"sources:\n  - name: raw_{name}\n    schema: raw_{name}\n"
        f"    description: Views over the completed loads of every {name} source, all columns text.\n    tables:\n"
        f"{tables}      - name: rejected_lines\n        description: One row per line that was no row.\n"
    )


def _models(name: str, entities: tuple[_Entity, ...]) -> str:
    described = {entity.name: f"One row per {entity.grain}, and load, renamed and cast." for entity in entities}
    described["rejected_lines"] = "One row per line that was no row, with the entity it would have been."
    config = f"    config: {{enabled: \"{{{{ '{name}' in var('connectors') }}}}\"}}\n"
    return "models:\n" + "".join(
        f"  - name: stg_{name}__{entity}\n    description: {words}\n{config}" for entity, words in described.items()
    )


def _model(name: str, kind: str, entity: _Entity) -> str:
    """The staging model of one entity: marks, id and words are there, everything else is null, which is unknown."""
    columns = entity_columns(entity.name)
    is_role = entity.name == "opportunity_partners"
    own = []
    for column, type_ in columns.items():
        raw = column.removesuffix("_raw")
        if column in _GIVEN:
            continue
        if column in entity.words:
            own.append(f"coalesce(m_{column}.{'role' if is_role else 'value'}, '{entity.unlisted}') as {column}")
        elif column.endswith("_raw") and raw in entity.words:
            own.append(f"s.{raw} as {column}")
        else:
            own.append(f"cast({'false' if column in _NEVER_NULL else 'null'} as {type_}) as {column}")
    steps = [f"with source as (\n    select * from {{{{ source('raw_{name}', '{entity.name}') }}}}\n)"]
    if is_role:
        seed = f"select role_raw, role from {{{{ ref('partner_role_map') }}}} where connector = '{name}'"
        steps.append(f"words as (\n    {seed}\n)")
    elif entity.words:
        steps.append(f"words as (\n    select * from {{{{ ref('value_map') }}}} where entity = '{entity.name}'\n)")
    joins = "".join(
        f"    left join words as m_{word} on m_{word}.role_raw = lower(trim(s.{word}))\n"
        if is_role
        else f"    left join words as m_{word}\n"
        f"        on m_{word}.field = '{word}'\n        and m_{word}.raw_value = lower(trim(s.{word}))\n"
        for word in entity.words
    )
    lines = ",\n".join(
        [
            "        s.source",
            "        s.id as source_id",
            "        -- TODO: the vendor's columns, cast; what it does not have stays null, which means unknown\n"
            + ",\n".join(f"        {line}" for line in own),
            "        s.known_at as extracted_at",
            "        coalesce(try_cast(s.is_deleted as boolean), false) as is_deleted",
            "        cast(false as boolean) as is_test",
            "        {{ utc_timestamp('s.changed_at') }} as modified_at",
            "        {{ failed_casts([\n            ('s.is_deleted', 'boolean'), ('s.changed_at', 'timestamp')\n"
            "        ]) }} as failed_casts",
            "        s.load_id",
            "        s.file_name",
            "        s.file_row",
        ]
    )
    steps.append(f"renamed as (\n    select\n{lines}\n    from source as s\n{joins})")
    return ",\n\n".join(steps) + "\n\nselect * from renamed\n"


def _rejected_lines(name: str, entities: tuple[_Entity, ...]) -> str:
    cases = "".join(f"            when '{entity.name}' then '{entity.name}'\n" for entity in entities)
    return f"""\
with source as (
    select * from {{{{ source('raw_{name}', 'rejected_lines') }}}}
),

renamed as (
    select
        source,
        cast(null as varchar) as source_id,
        case table_name
{cases}        end as entity,
        origin,
        line,
        reason,
        cast(null as timestamp) as extracted_at,
        cast(false as boolean) as is_deleted,
        cast(false as boolean) as is_test,
        cast(null as timestamp) as modified_at,
        cast('' as varchar) as failed_casts,
        load_id,
        origin as file_name,
        file_row
    from source
)

select * from renamed
"""


# -- where all connectors are listed -----------------------------------------------------------------------------------


def _entries(root: Path, name: str, kind: str) -> dict[str, str]:
    """The files that list every connector, with this one in them: dbt's own variables, the README, the commented
    deployment file. Tests of the project hold these lists complete.

    Raises:
        ConfigError: a list is not in the form in which it is looked for.
    """
    entities = [entity.name for entity in _ENTITIES[kind]]
    changes: dict[str, Callable[[str], str | None]] = {
        "dbt_project/dbt_project.yml": lambda text: _in_dbt_vars(text, name, [*entities, "rejected_lines"]),
        "README.md": lambda text: _in_readme(text, name, kind, entities),
        "pipelines/template.py": lambda text: _in_deployment_file(text, name),
    }
    entered = {}
    for path, change in changes.items():
        text = change((root / path).read_text(encoding="utf-8"))
        if text is None:
            raise ConfigError(f"{path}: the list of connectors in it is not found; nothing was written")
        entered[path] = text
    return entered


def _in_dbt_vars(text: str, name: str, entities: list[str]) -> str | None:
    """dbt's variables when it runs by hand: the connector and its models, each list in its order."""
    lists = {"connectors": name, **{entity: f"stg_{name}__{entity}" for entity in entities}}
    for key, one in lists.items():
        found = re.search(rf"^( +){key}:\s+\[([^\]]*)\]$", text, re.MULTILINE)
        if found is None:
            return None
        listed = ", ".join(sorted({*(word.strip() for word in found[2].split(",")), one} - {""}))
        line = f"{found[1]}{key}: [{listed}]"
        if len(line) > _LONGEST_LINE:
            line = f"{found[1]}{key}:\n{found[1]}  [{listed}]"
        text = text[: found.start()] + line + text[found.end() :]
    return text


def _in_readme(text: str, name: str, kind: str, entities: list[str]) -> str | None:
    """A row at the end of the table of connectors."""
    head, heading, rest = text.partition("\n## Connectors\n")
    lines = rest.splitlines(keepends=True)
    end = next((place for place, line in enumerate(lines) if line.startswith("## ")), len(lines))
    rows = [place for place, line in enumerate(lines[:end]) if line.startswith("|")]
    if not rows:
        return None
    row = f"| {name} | {kind} | {', '.join(entities)} | its API, page by page: what has changed |\n"
    lines.insert(rows[-1] + 1, row)
    return head + heading + "".join(lines)


def _in_deployment_file(text: str, name: str) -> str | None:
    """A commented source in the deployment file that `segments init` writes."""
    before, anchor, after = text.partition("\n# The fiscal year:")
    head = f"  # {name}:"
    entry = f"{head:<39} # over its API; SEGMENTS_{name.upper()}_TOKEN\n  #   connector: {name}\n  #   options: {{}}\n"
    return before + entry + anchor + after if anchor else None

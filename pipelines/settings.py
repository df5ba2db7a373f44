"""The deployment file `segments.yml`, typed, and the secrets that go with it.

What a programme says (weights, bars, levels) is not here but in `policies/`; what a path is called inside the state
folder is in `warehouse.py`. Relative paths in the file are relative to the file.
"""

from __future__ import annotations

import difflib
import os
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo, available_timezones

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from pipelines.clock import now
from pipelines.errors import ConfigError
from pipelines.fiscal import FiscalCalendar, Quarter

Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
# A team or a role. It stands in messages, where a person's address has no business.
Owner = Annotated[str, Field(pattern=r"^[^@\n]{1,80}$")]
Severity = Literal["info", "warning", "critical"]
AlertKind = Literal[
    "run_failed",
    "release_refused",
    "source_down",
    "stale",
    "truncated",
    "schema_changed",
    "expectation_failed",
    "alert_sink_down",
    "released",
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Part):
    """One source instance: which connector reads it, and the connector's own options."""

    connector: Name = Field(description="name of a connector, e.g. salesforce")
    options: dict[str, Any] = Field(default_factory=dict, description="options of that connector")
    owner: Owner | None = Field(None, description="who looks after this source, a team or a role; shown in alerts")


class Fiscal(_Part):
    """Where the fiscal year begins and which calendar year it is named after."""

    first_month: int = Field(1, ge=1, le=12, description="first month of the fiscal year")
    named_by: Literal["start", "end"] = Field("end", description="the year is named by its start or its end")


class ExchangeRate(_Part):
    """From `from` on, one unit of `currency` is worth `rate` units of the reporting currency."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    currency: Currency
    from_: date = Field(alias="from")
    rate: Decimal = Field(gt=0)


class Employees(_Part):
    """Bounds of head count, both included."""

    min: int | None = Field(None, ge=0)
    max: int | None = Field(None, ge=0)


class IcpRule(_Part):
    """The ideal customer profile, a rule on account attributes; an empty list or bound asks nothing."""

    industries: list[str] = Field(default_factory=list)
    regions: list[str] = Field(default_factory=list)
    countries: list[str] = Field(default_factory=list)
    employees: Employees = Employees()


class Identity(_Part):
    """How records of several systems become one partner, beyond what the records say themselves."""

    crosswalk: Path | None = Field(
        None, description="CSV with source, source_id, partner_number, why: records assigned by hand"
    )
    roster: tuple[Literal["crm", "prm", "account_mapping"], ...] = Field(
        ("crm", "prm"), description="kinds of systems whose partners are scored even if no other system knows them"
    )


class Privacy(_Part):
    """What released tables keep back."""

    suppress_overlap_below: int = Field(
        0, ge=0, le=100, description="overlap counts from 1 to one below this are left blank in partner_overlap"
    )


class PolicyChoice(_Part):
    """The programme in force."""

    active: str = Field(description="policy name, or name@version to pin one")
    compare: list[str] = Field(default_factory=list, description="further policies to evaluate beside it")


class Quality(_Part):
    """Limits of the gate that depend on the company rather than on the programme."""

    max_quarantined_share: float = Field(
        0.01, ge=0, le=1, description="share of an entity's rows that may be set aside"
    )
    min_rows_share_of_last: float = Field(0.8, ge=0, le=1, description="a full load below this share of the last stops")
    max_gone_share: float = Field(
        0.02,
        ge=0,
        le=1,
        description="share of a table's records gone since the last release; systems keep closed deals, and a missing "
        "page or region is soon more than this",
    )
    max_negative_share: float = Field(
        0.02,
        ge=0,
        le=1,
        description="share of a quarter's won deals that may be below zero, where it is also three times as "
        "usual; credit notes are few",
    )
    max_emptied_share: float = Field(
        0.2,
        ge=0,
        le=1,
        description="share of rows without what used to or should stand in them; fewer are gaps that people leave",
    )
    max_changed_share: float = Field(
        0.25,
        ge=0,
        le=1,
        description="share of a table's old records of which a column says something else since the last release; open "
        "deals move on, but most records are closed",
    )
    max_rewritten_share: float = Field(
        0.05,
        ge=0,
        le=1,
        description="share of old numbers five times as large or small, or of old dates a year away; few are corrected",
    )
    max_born_again_share: float = Field(
        0.005,
        ge=0,
        le=1,
        description="share of records whose moment of creation changed; it never does unless an id is used again",
    )
    max_unit_factor: float = Field(
        5,
        gt=1,
        description="a quarter's median amount against that of the four before; prices do not move like that, units do",
    )
    min_quarter_share: float = Field(
        0.25,
        ge=0,
        le=1,
        description="rows or partners of a quarter against the smallest of the four before; less is no bad "
        "quarter, but half an export",
    )
    min_history_rows: int = Field(
        20,
        ge=4,
        description="rows in each quarter from which on quarters are compared; of fewer, chance moves more than faults",
    )
    max_one_partner_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="share of a quarter's rows of one partner that had less than half of that before",
    )
    max_one_day_share: float = Field(
        0.5, gt=0, le=1, description="share of a quarter's rows on one day; more is the day of a migration"
    )
    max_disorder_share: float = Field(
        0.05,
        ge=0,
        le=1,
        description="share of rows that end before they begin; fewer are typing errors, more are exchanged columns",
    )
    max_broken_links_share: float = Field(
        0.2,
        ge=0,
        le=1,
        description="share of links to records that are nowhere; a portal outlives some of the CRM's records, not many",
    )
    max_unknown_words_share: float = Field(
        0.2, ge=0, le=1, description="share of a column's words that no map knows; more, and it decides nothing"
    )
    max_repeated_share: float = Field(
        0.01,
        ge=0,
        le=1,
        description="share of rows that say the same as another one under another id; people seldom enter things twice",
    )
    score_shift_warning: float = Field(
        0.10, gt=0, description="population stability index of the total scores against the last release to be told of"
    )
    score_shift_limit: float = Field(
        0.25, gt=0, description="population stability index above which the scores are of other partners than before"
    )
    score_shift_min_partners: int = Field(
        50,
        ge=10,
        description="scored partners in both releases from which on scores are compared; five in each of ten bins",
    )
    max_lost_scores_share: float = Field(
        0.05,
        ge=0,
        le=1,
        description="share of the scored partners who may lose their score from one release to the next; one or two "
        "partners never stop a release",
    )
    max_left_partners_share: float = Field(
        0.10,
        ge=0,
        le=1,
        description="share of the partners who may be none any more from one release to the next, those merged into "
        "another one apart; a programme that is cleared out by a tenth is signed for",
    )
    max_moves_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="share of the roster that may change its level in one review where the policy's guardrails say "
        "nothing; half a programme does not move in a quarter",
    )
    stale_sources: Literal["freeze", "refuse"] = Field(
        "freeze", description="a source last read before the quarter's end: freeze demotions, or refuse the release"
    )
    # Off unless asked for: what is critical refuses by itself, and how many doubtful levels are too many depends on the
    # size of the programme and on who looks at the warnings.
    max_decisions_at_risk: int | None = Field(
        None,
        ge=0,
        description="refuse when what failed could change the levels of more partners than this; unset: tell",
    )


class ReleaseSchedule(_Part):
    """When the quarterly release runs: day of the quarter's first month and hour, in the deployment's time zone."""

    day: int = Field(5, ge=1, le=28)
    hour: int = Field(6, ge=0, le=23)


class DailySchedule(_Part):
    """When the daily rehearsal (compute and judge, release nothing) runs."""

    hour: int = Field(5, ge=0, le=23)


class Schedule(_Part):
    """Both schedules; they start switched off and are turned on in the UI."""

    release: ReleaseSchedule = ReleaseSchedule()
    daily: DailySchedule = DailySchedule()


class AlertTarget(_Part):
    """Somebody to tell. The address itself is a secret: `url_env` names the environment variable that holds it."""

    name: Name
    url_env: str = Field(pattern=r"^[A-Z][A-Z0-9_]*$")
    events: tuple[AlertKind, ...] = Field(
        tuple(kind for kind in get_args(AlertKind) if kind != "released"),
        description="kinds of incidents to tell, and `released`; default: every kind of trouble",
    )
    min_severity: Severity = Field("warning", description="incidents below this are not told")
    remind_after_hours: int = Field(168, ge=1, description="an incident that goes on is told again after so long")
    timeout_seconds: float = Field(10, gt=0, le=60, description="a message that is not taken by then waits")


class Sample(_Part):
    """Ask for the built-in sample company: its exports are generated into `paths.inputs` before they are read."""

    seed: int = Field(20260930, ge=0)
    partners: int = Field(120, ge=10, le=100_000)
    shape: Literal["templates", "salesforce"] = Field(
        "templates", description="all three systems in the columns of our templates, or a Salesforce export alone"
    )


class Paths(_Part):
    """Folders, relative to the deployment file."""

    inputs: Path = Field(Path("inputs"), description="root of the file sources; `--data` overrides it")
    state: Path = Field(Path("data"), description="lake, warehouse, candidates, releases")
    policies: Path = Field(Path("policies"), description="folder of policy files")


class Settings(BaseSettings):
    """A deployment. One per company; several can share a machine as long as their state folders differ."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    deployment: Name = Field("partners", description="a short name, shown with every result")
    sources: dict[Name, Source] = Field(min_length=1)
    fiscal_calendar: Fiscal = Fiscal()
    timezone: str = "UTC"
    as_of: date | None = Field(None, description="decides the quarter a run is for; unset: today")
    known_at: datetime | None = Field(None, description="use only facts known up to this moment; unset: all")
    first_release: str | None = Field(
        None, description="first quarter that shall stand on record; a run makes up for those without a release"
    )
    history_quarters: int = Field(40, ge=1, le=120, description="how far back the history is rebuilt")
    reporting_currency: Currency = "USD"
    exchange_rates: list[ExchangeRate] = Field(default_factory=list)
    icp: IcpRule = IcpRule()
    identity: Identity = Identity()
    privacy: Privacy = Privacy()
    pseudo_partners: list[str] = Field(
        default_factory=list, description="names, partner numbers or account ids that are no partners"
    )
    policy: PolicyChoice
    quality: Quality = Quality()
    schedule: Schedule = Schedule()
    owner: Owner | None = Field(None, description="who answers for this deployment, a team or a role; in alerts")
    alerts: list[AlertTarget] = Field(default_factory=list)
    sample: Sample | None = None
    paths: Paths = Paths()

    _file: Path = Path("segments.yml")

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        if value not in available_timezones():
            near = difflib.get_close_matches(value, available_timezones(), 1)
            raise ValueError(f"expected an IANA time zone{f', did you mean {near[0]}?' if near else ''}")
        return value

    @field_validator("known_at")
    @classmethod
    def _moment_in_utc(cls, value: datetime | None) -> datetime | None:
        # YAML reads a moment without an offset as one without a zone, and those do not compare with the lake's.
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value

    @field_validator("first_release")
    @classmethod
    def _quarter_label(cls, value: str | None) -> str | None:
        try:
            return value and FiscalCalendar().parse(value).label
        except ConfigError:
            raise ValueError("expected a fiscal quarter such as 2026Q2") from None

    @model_validator(mode="after")
    def _targets_once(self) -> Settings:
        names = [target.name for target in self.alerts]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"alerts: two targets are called {twice[0]!r}, names are unique")
        return self

    @model_validator(mode="after")
    def _rates_once(self) -> Settings:
        seen: set[tuple[str, date]] = set()
        for rate in self.exchange_rates:
            if (rate.currency, rate.from_) in seen:
                raise ValueError(f"exchange_rates: two rates for {rate.currency} from {rate.from_}, expected one")
            seen.add((rate.currency, rate.from_))
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # The file decides alone: a stray variable called TIMEZONE or POLICY in a shell must not change a release.
        return (init_settings,)

    @property
    def file(self) -> Path:
        """The file these settings came from."""
        return self._file

    @property
    def calendar(self) -> FiscalCalendar:
        """The fiscal calendar as an object that computes."""
        return FiscalCalendar(self.fiscal_calendar.first_month, self.fiscal_calendar.named_by)

    def folder(self, which: Literal["inputs", "state", "policies"]) -> Path:
        """One of the folders of `paths`, absolute."""
        folder: Path = getattr(self.paths, which)
        return (self._file.parent / folder).resolve()

    def quarter(self, asked: str | None = None) -> Quarter:
        """The quarter a run is for: the one asked for, else the last that ended by `as_of`, else by today.

        Raises:
            ConfigError: the label is malformed or the quarter has not ended yet.
        """
        today = now().astimezone(ZoneInfo(self.timezone)).date()
        if asked is None:
            return self.calendar.last_ended(self.as_of or today)
        quarter = self.calendar.parse(asked)
        if quarter.last_day > max(today, self.as_of or today):
            raise ConfigError(
                f"quarter {quarter.label} ends on {quarter.last_day}, which is still to come; nothing was run",
                next_step=f"ask for {self.calendar.last_ended(today).label} or an earlier quarter",
            )
        return quarter

    def release_moment(self, quarter: Quarter) -> datetime:
        """The end of the day on which `quarter` is due to be released, in UTC."""
        day = self.calendar.shift(quarter, 1).first_day.replace(day=self.schedule.release.day)
        return datetime.combine(day, time.max, ZoneInfo(self.timezone)).astimezone(UTC)

    def known_for(self, quarter: Quarter) -> datetime | None:
        """Up to which moment a run for `quarter` knows unless it is asked for another; None: all there is.

        From `first_release` on, a quarter before the last that ended knows what a punctual release would have known.
        """
        if self.first_release is None or not self.calendar.parse(self.first_release) <= quarter < self.quarter():
            return self.known_at
        moment = self.release_moment(quarter)
        return min(moment, self.known_at) if self.known_at else moment


class _UniqueKeys(yaml.SafeLoader):
    """YAML as people mean it: the same key twice is a mistake, not 'the last one wins'."""


def _unique_mapping(loader: Any, node: Any, deep: bool = False) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            raise yaml.MarkedYAMLError(problem=f"the key {key!r} stands twice", problem_mark=key_node.start_mark)
        seen.add(key)
    return yaml.SafeLoader.construct_mapping(loader, node, deep)


_UniqueKeys.add_constructor(
    yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, lambda loader, node: _unique_mapping(loader, node, deep=True)
)


def read_yaml(path: Path, *, error: type[ConfigError] = ConfigError) -> dict[str, Any]:
    """A YAML file whose top level is a mapping and in which no key stands twice.

    Raises:
        ConfigError: (or `error`) missing, unreadable, not UTF-8, not YAML, empty, or not a mapping at the top.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise error(f"{path}: no such file; nothing was run") from None
    except IsADirectoryError:
        raise error(f"{path}: is a folder, expected a YAML file; nothing was run") from None
    except UnicodeDecodeError as problem:
        raise error(
            f"{path}: not UTF-8 text (byte {problem.start}); nothing was run", next_step="save the file as UTF-8"
        ) from None
    except OSError as problem:
        raise error(f"{path}: cannot be read ({problem.strerror}); nothing was run") from None
    try:
        content = yaml.load(text, Loader=_UniqueKeys)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        where = f" line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise error(f"{path}:{where}: {problem.problem or 'not YAML'}; nothing was run") from None
    except (yaml.YAMLError, TypeError, RecursionError) as problem:
        raise error(f"{path}: not YAML ({problem}); nothing was run") from None
    if not isinstance(content, dict):
        found = "an empty file" if content is None else f"a {type(content).__name__} at the top level"
        raise error(f"{path}: found {found}, expected keys and values; nothing was run")
    return content


_SECRET_KEYS = ("url_env",)


def explain_validation(path: Path, problem: ValidationError, model: type[BaseModel]) -> str:
    """A pydantic error as lines of 'file: key path: found X, expected Y', with the nearest known key."""
    lines = []
    for item in problem.errors():
        where = ""
        for step in item["loc"]:
            where += f"[{step}]" if isinstance(step, int) else (f".{step}" if where else str(step))
        if item["type"] == "extra_forbidden":
            known = known_keys(model, item["loc"][:-1])
            near = difflib.get_close_matches(str(item["loc"][-1]), known, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            lines.append(f"{path}: {where}: unknown key; {hint}expected one of: {', '.join(known)}")
        elif item["type"] == "missing":
            lines.append(f"{path}: {where}: missing, expected {describe(model, item['loc'])}")
        else:
            message = item["msg"].removeprefix("Value error, ")
            shown = item.get("input")
            # Where the name of a variable belongs, people put the secret itself.
            shown = "(a text that may be a secret)" if item["loc"] and item["loc"][-1] in _SECRET_KEYS else repr(shown)
            found = f"found {shown}, " if where and not isinstance(item.get("input"), (dict, BaseModel)) else ""
            lines.append(f"{path}: {where + ': ' if where else ''}{found}{message[0].lower() + message[1:]}")
    return "\n".join(lines)


def _field_at(model: Any, location: tuple[Any, ...]) -> Any:
    """The annotation that `location` leads to inside `model`, or None."""
    current: Any = model
    for step in location:
        current = _inner_model(current)
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(str(step)) or next(
                (f for f in current.model_fields.values() if f.alias == step), None
            )
            if field is None:
                return None
            current = field
        # a list index or a mapping key: the annotation's inner model stays
    return current


def _inner_model(annotation: Any) -> Any:
    """The pydantic model inside an annotation or field: of `list[M]`, `dict[str, M]`, `M | None`."""
    annotation = getattr(annotation, "annotation", annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _inner_model(part)
        if isinstance(found, type) and issubclass(found, BaseModel):
            return found
    return annotation


def known_keys(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """The keys that the mapping at `location` may have."""
    inner = _inner_model(_field_at(model, location))
    if isinstance(inner, type) and issubclass(inner, BaseModel):
        return sorted(f.alias or n for n, f in inner.model_fields.items())
    return []


def describe(model: type[BaseModel], location: tuple[Any, ...]) -> str:
    """What stands at `location`, in words where the field has some."""
    field = _field_at(model, location)
    return getattr(field, "description", None) or "a value here"


def read_settings(path: Path, *, data: Path | None = None) -> Settings:
    """Read a deployment file; `data` overrides `paths.inputs`.

    Raises:
        ConfigError: one line per mistake: file, key path, what was found and what was expected.
    """
    if not path.exists():
        raise ConfigError(
            f"{path}: no such deployment file",
            next_step="`segments init` writes a commented one, `--config FILE` names another",
        )
    content = read_yaml(path)
    _names_are_unique(path, content)
    try:
        settings = Settings(**content)
    except ValidationError as problem:
        raise ConfigError(explain_validation(path, problem, Settings)) from None
    except TypeError:
        raise ConfigError(f"{path}: keys must be text") from None
    settings._file = path.resolve()
    if data is not None:
        settings = settings.model_copy(update={"paths": settings.paths.model_copy(update={"inputs": data.resolve()})})
        settings._file = path.resolve()
    return settings


def _names_are_unique(path: Path, content: dict[str, Any]) -> None:
    # YAML keys are case sensitive but schemas and folders need not be: `Salesforce` and `salesforce` would collide.
    sources = content.get("sources")
    if not isinstance(sources, dict):
        return
    seen: dict[str, str] = {}
    for name in sources:
        folded = str(name).casefold()
        if folded in seen:
            raise ConfigError(
                f"{path}: sources.{name}: a source named {seen[folded]!r} stands already, names are unique; "
                "nothing was run"
            )
        seen[folded] = str(name)


def secret(source: str, field: str) -> str:
    """The secret `SEGMENTS_<SOURCE>_<FIELD>` from the environment, read when a source is read, never at import.

    Raises:
        ConfigError: the variable is unset; the message names it and never its value.
    """
    variable = f"SEGMENTS_{source}_{field}".upper()
    value = os.environ.get(variable)
    if not value:
        raise ConfigError(
            f"source {source}: the environment variable {variable} is not set", next_step="see .env.example"
        )
    return value

"""HubSpot: companies, deals with their partners and stage history, meetings, calls and tasks, over its API.

What: the account that a service key (or the token of an older private app) belongs to. docs/hubspot.md tells how to
make the key, what each option does and how partners are found on deals.

| endpoint | raw table | loads |
|---|---|---|
| objects/companies | raw_hubspot.company | increments |
| objects/deals | raw_hubspot.deal, deal_stage_history | increments |
| associations deals to companies | raw_hubspot.deal_company | increments: changed and open deals |
| objects/meetings, calls, tasks | raw_hubspot.meeting, call, task | increments, with their companies |
| a custom object | raw_hubspot.partner_record | increments, where the option partner_object names one |
| objects/line_items | raw_hubspot.line_item | increments, where line_items asks for it |
| merged companies and deals | raw_hubspot.merged_record | what is new |
| owners, pipelines, labels, account, exchange rates | raw_hubspot.owner, pipeline_stage, ... | whole |

Paging: a first pass goes through the lists (`paging.next.after`), later ones search a window of modification stamps
that stands still, by the ids in it (a search ends after 10,000 results, going on from the last id does not), then read
those records in batches. Every `reconcile_every_days` the lists are gone through again, because associations change
without a stamp. What can go wrong: search is late by seconds, sometimes more (a look-back of an hour), merged records
vanish into the winner's `hs_merged_object_ids`, archived ones stand in a list of their own for some months, purged ones
nowhere.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipelines.connector import Connector, Instance
from pipelines.connectors.hubspot.tables import OBJECTS, TABLES
from pipelines.http import HttpOptions
from pipelines.pull import Client

Role = Literal["sourced", "influenced", "fulfilled", "unknown"]
Way = Literal["property", "label", "company_type", "object"]
Property = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]

# Columns that the raw tables have beside HubSpot's properties.
_OUR_COLUMNS = {"id", "is_deleted", "archived_at", "updated_at", "custom_properties", "companies", "deals", "source"}


class PartnerObject(BaseModel):
    """A custom object that stands between deals and partner companies, such as a deal registration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: str = Field(description="its full name, such as p4815162_registrations, or its number, such as 2-2000001")
    role: Role = Field("sourced", description="the part of a partner whose record names none")
    role_property: Property | None = Field(None, description="property of the object that names the part")


class Options(BaseModel):
    """Options of one HubSpot source. Its token is the environment variable SEGMENTS_<SOURCE>_TOKEN."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str = Field("https://api.hubapi.com", description="where the API is; the same for accounts in the EU")
    dialect: Literal["2026-03", "legacy"] = Field(
        "2026-03", description="which URLs: the dated ones, or the older v3 and v4, which HubSpot ends in 2027"
    )
    portal_id: int | None = Field(
        None, description="the account that is meant: a key of another one is refused; unset: whatever the key opens"
    )
    start_date: date | None = Field(
        None, description="deals and activities that last changed before it are left out; companies never are"
    )
    pipelines: list[str] = Field(
        default_factory=list, description="ids or names of the deal pipelines that count; empty: all"
    )
    custom_properties: dict[str, list[Property]] = Field(
        default_factory=dict, description="object (companies, deals, ...): further properties to land, by internal name"
    )
    partner_types: list[str] = Field(
        default=["PARTNER", "RESELLER"], description="values of a company's type that make it a partner"
    )
    partner_flag: str | None = Field(
        None, pattern=r"^[a-z0-9_]+=.+$", description="property=value that makes a company a partner as well"
    )
    partner_number_property: Property | None = Field(None, description="company property with the partner's number")
    region_property: Property | None = Field(None, description="company property with the sales region")
    level_property: Property | None = Field(
        None, description="company property with the programme level a partner holds; unset: levels are unknown"
    )
    level_since_property: Property | None = Field(None, description="company property with that level's first day")
    program: str = Field("HubSpot", description="what the programme of those levels is called")
    attribution_order: list[Way] = Field(
        default=["property", "label", "company_type", "object"],
        description="ways in which a partner is found on a deal; the first that finds a partner says its part",
    )
    partner_properties: dict[Property, Role] = Field(
        default_factory=dict,
        description="deal property that holds a partner's company id, domain, number or name: the part it stands for",
    )
    partner_labels: dict[str, Role] = Field(
        default_factory=dict, description="association label of a partner: its part; others go by partner_role_map"
    )
    primary_label: str | None = Field(
        None, description="association label of a deal's main partner; unset: who stands in a property is the main one"
    )
    partner_object: PartnerObject | None = Field(
        None, description="custom object that is associated with deals and with partner companies"
    )
    task_minutes_property: Property | None = Field(None, description="task property with the minutes a task took")
    task_minutes: float | None = Field(
        None, ge=0, le=1440, description="minutes of a completed task that does not say; unset: unknown"
    )
    ignored_outcomes: list[str] = Field(
        default=["CANCELED", "NO_SHOW"], description="outcomes of meetings that did not take place"
    )
    default_currency: str | None = Field(
        None, pattern=r"^[A-Z]{3}$", description="currency of amounts without one; unset: the account's own"
    )
    line_items: bool = Field(False, description="land line items too; nothing rests on them yet")
    lookback_minutes: int = Field(
        60, ge=0, description="how far back of the last reading to look again: search shows changes late"
    )
    settle_minutes: int = Field(5, ge=0, description="changes of the last minutes are left to the next reading")
    reconcile_every_days: int = Field(
        7, ge=1, description="how often everything is listed again, for what changes or goes without a stamp"
    )
    searches_per_second: float = Field(4, gt=0, description="pace of searches; HubSpot allows an account 5")
    http: HttpOptions = Field(HttpOptions(), description="patience and pace of all requests")

    @field_validator("custom_properties")
    @classmethod
    def _objects_are_known(cls, value: dict[str, list[str]]) -> dict[str, list[str]]:
        for name, properties in value.items():
            if name not in OBJECTS:
                raise ValueError(f"unknown object {name!r}; expected one of: {', '.join(OBJECTS)}")
            taken = sorted(set(properties) & _OUR_COLUMNS)
            if taken:
                raise ValueError(f"{name}: {', '.join(taken)}: such a column is there already")
        return value

    @field_validator("attribution_order")
    @classmethod
    def _each_way_once(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value):
            raise ValueError("each way may stand once")
        return value

    @model_validator(mode="after")
    def _labels_differ(self) -> Options:
        seen: dict[str, str] = {}
        for label in self.partner_labels:
            if label.strip().lower() in seen:
                raise ValueError(f"partner_labels: {label!r} and {seen[label.strip().lower()]!r} are one label")
            seen[label.strip().lower()] = label
        return self


def _settings_rows(options: Options) -> list[tuple[str, str, str | None]]:
    """The options that staging has to know; labels and words are compared in small letters."""
    rows: list[tuple[str, str, str | None]] = [
        ("attribution", way, str(place)) for place, way in enumerate(options.attribution_order, 1)
    ]
    rows += [("partner_property", name, role) for name, role in options.partner_properties.items()]
    rows += [("partner_label", label.strip().lower(), role) for label, role in options.partner_labels.items()]
    rows += [("ignored_outcome", outcome.upper(), None) for outcome in options.ignored_outcomes]
    rows += [("pipeline", name.strip().lower(), None) for name in options.pipelines]
    rows.append(("program", "", options.program))
    for option, name in (
        ("partner_number", options.partner_number_property),
        ("region", options.region_property),
        ("level", options.level_property),
        ("level_since", options.level_since_property),
        ("task_minutes", options.task_minutes_property),
    ):
        if name:
            rows.append((option, name, None))
    if options.partner_flag:
        name, _, value = options.partner_flag.partition("=")
        rows.append(("partner_flag", name, value.strip().lower()))
    if options.primary_label:
        rows.append(("primary_label", options.primary_label.strip().lower(), None))
    if options.partner_object:
        rows.append(("partner_object", options.partner_object.role_property or "", options.partner_object.role))
    if options.task_minutes is not None:
        rows.append(("minutes_of_a_task", "", f"{options.task_minutes:g}"))
    if options.default_currency:
        rows.append(("default_currency", "", options.default_currency))
    return rows


def _connect(instance: Instance) -> Client:
    from pipelines.connectors.hubspot.client import HubspotClient

    return HubspotClient(instance)


_ENTITIES = (
    "accounts", "opportunities", "opportunity_partners", "opportunity_stage_changes", "meetings",
    "program_memberships", "exchange_rates", "rejected_lines",
)  # fmt: skip

connector = Connector(
    name="hubspot",
    kind="crm",
    tables=TABLES,
    entities={entity: f"stg_hubspot__{entity}" for entity in _ENTITIES},
    options=Options,
    account_types=lambda options: options.partner_types,
    default_currency=lambda options: options.default_currency,
    offers_by_load=True,
    entities_for=lambda instance: [
        entity for entity in _ENTITIES if entity != "program_memberships" or instance.options.level_property
    ],
    entity_tables={
        "accounts": "company",
        "opportunities": "deal",
        "opportunity_partners": "deal_company",
        "opportunity_stage_changes": "deal_stage_history",
        "meetings": "meeting",
        "program_memberships": "company",
        "exchange_rates": "exchange_rate",
        "rejected_lines": "company",
    },
    connect=_connect,
    settings_rows=_settings_rows,
)

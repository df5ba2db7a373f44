"""The options of a Salesforce source: an export folder, or an org's API."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipelines.connectors.salesforce.objects import OBJECTS
from pipelines.http import HttpOptions

Role = Literal["sourced", "influenced", "fulfilled", "unknown"]

_OF_FOLDERS = ("folder", "exported_at")
_OF_THE_API = (
    "auth", "username", "audience", "api_version", "start_date", "custom_fields", "use_bulk_above",
    "bulk_deadline_minutes", "reconcile_every_days", "lookback_minutes", "settle_minutes", "window_days",
    "stop_at_quota_share", "http",
)  # fmt: skip


class Options(BaseModel):
    """Options of one Salesforce source. With `domain` the org is read over its API, else the export in `folder`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Path = Field(Path("."), description="folder of the export, relative to paths.inputs")
    exported_at: datetime | None = Field(None, description="when the export was taken; unset: when it is loaded")
    domain: str | None = Field(
        None, description="the org's own address such as acme.my.salesforce.com; set: the API is read, not a folder"
    )
    auth: Literal["client_credentials", "jwt_bearer"] = Field(
        "client_credentials", description="how the external client app shows who it is"
    )
    username: str | None = Field(None, description="with jwt_bearer: the user that is read as")
    audience: str = Field(
        "https://login.salesforce.com",
        description="with jwt_bearer: whom the assertion is for; of a sandbox https://test.salesforce.com",
    )
    api_version: str = Field("67.0", pattern=r"^\d{2,3}\.0$", description="API version; checked against the org's list")
    start_date: datetime | None = Field(
        None, description="opportunities and activities that were modified since then; unset: all there are"
    )
    custom_fields: dict[str, list[str]] = Field(
        default_factory=dict, description="object: fields to read besides the usual ones"
    )
    partner_fields: dict[str, Role] = Field(
        default_factory=dict,
        description="lookup on Opportunity that names a partner's account: sourced, influenced, fulfilled or unknown",
    )
    partner_types: list[str] = Field(
        default_factory=list, description="account types that count as partners besides IsPartner"
    )
    default_currency: str | None = Field(
        None, pattern=r"^[A-Z]{3}$", description="currency of amounts without one; unset: the reporting currency"
    )
    use_bulk_above: int = Field(2000, ge=0, description="more rows than this are read with the Bulk API")
    bulk_deadline_minutes: int = Field(120, ge=1, description="a Bulk job that takes longer is given up")
    reconcile_every_days: int = Field(7, ge=1, description="how often all ids are listed to notice what was purged")
    lookback_minutes: int = Field(10, ge=0, description="how far every reading reaches back before the last one")
    settle_minutes: int = Field(0, ge=0, le=10, description="what is younger than this is left for the next reading")
    window_days: int = Field(30, ge=1, description="shortest stretch of time that a long reading is cut into")
    stop_at_quota_share: float = Field(
        0.8, gt=0, le=1, description="share of the org's daily API requests, used by anybody, at which to stop"
    )
    http: HttpOptions = Field(default_factory=HttpOptions, description="time-outs, attempts and pace of requests")

    @field_validator("domain")
    @classmethod
    def _an_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        there = urlsplit((value if "://" in value else f"https://{value}").strip().lower())
        if not there.hostname or there.path.strip("/") or there.query or there.username:
            raise ValueError("expected an address such as acme.my.salesforce.com, without a path")
        if there.hostname in ("login.salesforce.com", "test.salesforce.com"):
            raise ValueError("expected the org's own address (My Domain) such as acme.my.salesforce.com")
        return f"{there.scheme}://{there.netloc}"

    @field_validator("start_date", "exported_at")
    @classmethod
    def _in_utc(cls, value: datetime | None) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)

    @field_validator("custom_fields")
    @classmethod
    def _of_objects_that_are_read(cls, value: dict[str, list[str]]) -> dict[str, list[str]]:
        known = [one.name for one in OBJECTS]
        for name in value:
            if name not in known:
                raise ValueError(f"{name}: no object that is read; expected one of: {', '.join(known)}")
        return value

    @model_validator(mode="after")
    def _one_way_of_reading(self) -> Options:
        told = self.model_fields_set
        if self.domain is not None:
            for name in _OF_FOLDERS:
                if name in told:
                    raise ValueError(f"{name} is of an export folder and domain of the API: leave one of them out")
            if self.auth == "jwt_bearer" and not self.username:
                raise ValueError("auth: jwt_bearer needs username, the user that is read as")
        elif needless := [name for name in _OF_THE_API if name in told]:
            raise ValueError(f"{', '.join(needless)} is of the API and needs domain, such as acme.my.salesforce.com")
        return self

    @property
    def is_live(self) -> bool:
        """Whether the API is read."""
        return self.domain is not None

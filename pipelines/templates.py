"""The entity templates of file sources: which files there may be, their columns, and other names people give them.

Data, look-ups, and the empty files that people fill in. Reading files into these columns is `filetable.py`; what the
columns mean to the rest of the house is `dbt_project/macros/entities.sql`, and a test holds the two together.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pipelines.errors import ConfigError

Kind = Literal["crm", "account_mapping", "prm"]
Type = Literal["text", "bool", "int", "decimal", "date", "ts"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Column:
    """One column of a template."""

    name: str
    says: str
    type: Type = "text"
    required: bool = False
    aliases: tuple[str, ...] = ()
    """Headers that exports of other tools use for it; spelling (case, blanks, dashes, underscores) does not matter."""
    kinds: tuple[Kind, ...] = ()
    """Only in files of these kinds; empty: of every kind the entity has."""


@dataclass(frozen=True)
class Template:
    """One entity as a file: what a row is, which kinds of source have it, its columns in the order of the template."""

    entity: str
    kinds: tuple[Kind, ...]
    says: str
    columns: tuple[Column, ...]
    aliases: tuple[str, ...] = ()
    """Other names of the file."""


def _own(*aliases: str, derived: bool = False) -> Column:
    """The record's own id. `derived`: where it is missing it is made from the columns that tell the rows apart."""
    says = "the record's own id, unique in this source"
    if derived:
        says += "; made from the other columns where it is missing"
    return Column("source_id", says, required=not derived, aliases=("id", "record_id", *aliases))


_COMMON = (
    Column("is_deleted", "true where the source has deleted the record", "bool", aliases=("deleted",)),
    Column("is_test", "true for records made to try things out", "bool", aliases=("test",)),
    Column(
        "updated_at",
        "when the record last changed",
        "ts",
        aliases=("last_modified_at", "last_modified_date", "last_modified", "system_modstamp", "hs_lastmodifieddate"),
    ),
)
_CURRENCY = Column(
    "currency", "ISO code of the amounts", aliases=("currency_code", "currency_iso_code", "deal_currency_code")
)
_PARTNER = Column("partner_id", "id of the partner, as source_id of partners says it", required=True)
_USER_ID = Column("user_id", "id of the person, as source_id of partner_users says it")
_USER_EMAIL = Column("user_email", "e-mail address of the person")


def _template(
    entity: str, kinds: Iterable[Kind], says: str, *columns: Column, aliases: tuple[str, ...] = ()
) -> tuple[str, Template]:
    return entity, Template(entity, tuple(kinds), says, (*columns, *_COMMON), aliases)


TEMPLATES: dict[str, Template] = dict(
    (
        _template(
            "accounts",
            ("crm",),
            "one account or company of the CRM, partners and customers alike",
            _own("account_id", "company_id", "hs_object_id"),
            Column("name", "the account's name", required=True, aliases=("account_name", "company_name", "company")),
            Column(
                "partner_number",
                "the company's own key of a partner",
                aliases=("account_number", "partner_no", "partner_code"),
            ),
            Column(
                "domain",
                "web domain or address",
                aliases=("website", "website_domain", "company_domain_name", "web_site", "url"),
            ),
            Column(
                "country", "country, name or ISO code", aliases=("billing_country", "country_region", "country_code")
            ),
            Column("region", "sales region", aliases=("territory",)),
            Column("industry", "industry"),
            Column(
                "account_type",
                "the CRM's own type of the account; the option partner_types says which types are partners",
                aliases=("type",),
            ),
            Column("employees", "head count", "int", aliases=("number_of_employees", "employee_count")),
            Column("is_partner", "true for partner accounts", "bool"),
            Column(
                "owner_id",
                "who manages the account",
                aliases=("owner", "account_owner", "company_owner", "hubspot_owner_id"),
            ),
            Column(
                "parent_id",
                "the account it belongs to",
                aliases=("parent_account_id", "parent_company_id", "hs_parent_company_id"),
            ),
            Column(
                "created_at", "when the account was made", "ts", aliases=("created_date", "create_date", "createdate")
            ),
            aliases=("account", "companies"),
        ),
        _template(
            "opportunities",
            ("crm",),
            "one opportunity or deal of the CRM",
            _own("opportunity_id", "deal_id", "hs_object_id"),
            Column("name", "the opportunity's name", aliases=("opportunity_name", "deal_name")),
            Column(
                "account_id",
                "the customer's account",
                required=True,
                aliases=(
                    "company_id",
                    "associated_company_id",
                    "associated_company_ids",
                    "associated_company_ids_primary",
                    "primary_company_id",
                ),
            ),
            Column("amount", "value in the currency's major unit", "decimal", required=True),
            _CURRENCY,
            Column("stage", "stage of the pipeline", aliases=("stage_name", "deal_stage")),
            Column(
                "is_closed",
                "true once it is won or lost",
                "bool",
                required=True,
                aliases=("Closed", "hs_is_closed", "is_deal_closed"),
            ),
            Column(
                "is_won",
                "true when it is won",
                "bool",
                required=True,
                aliases=("Won", "is_closed_won", "hs_is_closed_won"),
            ),
            Column(
                "created_at",
                "when the opportunity was made",
                "ts",
                aliases=("created_date", "create_date", "createdate"),
            ),
            Column("close_date", "day of closing, expected or done", "date", required=True),
            Column(
                "owner_id", "who sells it", aliases=("owner", "opportunity_owner", "deal_owner", "hubspot_owner_id")
            ),
            aliases=("opportunity", "Deals"),
        ),
        _template(
            "opportunity_partners",
            ("crm",),
            "one partner's part in one opportunity",
            _own(derived=True),
            Column("opportunity_id", "the opportunity", required=True, aliases=("deal_id",)),
            Column(
                "account_id",
                "the partner's account",
                required=True,
                aliases=("account_to_id", "partner_account_id", "partner_id", "company_id"),
            ),
            Column("role_raw", "the part in the CRM's own words"),
            Column("role", "sourced, influenced, fulfilled or unknown", aliases=("partner_role",)),
            Column("is_primary", "true for the opportunity's main partner", "bool", aliases=("primary",)),
            aliases=("opportunity_partner", "deal_partners"),
        ),
        _template(
            "opportunity_stage_changes",
            ("crm",),
            "one change of an opportunity's stage",
            _own("change_id"),
            Column("opportunity_id", "the opportunity", required=True, aliases=("deal_id",)),
            Column("from_stage", "stage before; blank for the first", aliases=("old_stage", "from")),
            Column("to_stage", "stage after", required=True, aliases=("new_stage", "to", "stage_name", "stage")),
            Column("amount", "amount at that moment", "decimal"),
            Column("changed_at", "when it changed", "ts", required=True, aliases=("created_date", "change_date")),
            aliases=("opportunity_history", "stage_changes"),
        ),
        _template(
            "meetings",
            ("crm",),
            "one meeting, call or task with a partner account",
            _own("meeting_id", "activity_id", "event_id"),
            Column("owner_id", "the partner manager", aliases=("owner", "assigned_to")),
            Column("account_id", "the partner's account", required=True, aliases=("company_id",)),
            Column(
                "started_at", "when it began", "ts", required=True, aliases=("start", "start_time", "start_date_time")
            ),
            Column(
                "minutes",
                "how long it took",
                "decimal",
                required=True,
                aliases=("duration_minutes", "duration_in_minutes"),
            ),
            Column("kind", "meeting, call or task", aliases=("type", "activity_type")),
        ),
        _template(
            "program_memberships",
            ("crm",),
            "one programme level that an account holds in the CRM",
            _own("membership_id", derived=True),
            Column("account_id", "the partner's account", required=True, aliases=("company_id", "partner_id")),
            Column("program", "the programme", aliases=("program_name", "programme")),
            Column("level", "the level held", required=True, aliases=("tier", "program_level", "programme_level")),
            Column("since", "first day of the level", "date", aliases=("member_since", "start_date")),
        ),
        _template(
            "exchange_rates",
            ("crm",),
            "one exchange rate that the CRM keeps; the deployment file's own rates of a currency go first",
            _own("rate_id", derived=True),
            Column(
                "currency",
                "ISO code of the currency",
                required=True,
                aliases=("from_currency", "from_currency_code", "iso_code"),
            ),
            Column("to_currency", "ISO code of the currency its worth is told in", aliases=("to_currency_code",)),
            Column(
                "valid_from", "first day of the rate", "date", aliases=("start_date", "effective_at", "effective_from")
            ),
            Column(
                "valid_to", "first day on which it no longer holds", "date", aliases=("end_date", "next_start_date")
            ),
            Column(
                "rate", "what one unit of the currency is worth", "decimal", required=True, aliases=("conversion_rate",)
            ),
        ),
        _template(
            "partners",
            ("account_mapping", "prm"),
            "one partner organisation",
            _own("partner_id", "partner_key"),
            Column(
                "name",
                "the partner's name",
                required=True,
                aliases=("partner_name", "company_name", "partner", "company"),
            ),
            Column("domain", "web domain or address", aliases=("website_domain", "website", "url")),
            Column(
                "sharing_level",
                "what the partner shares: full, counts_only or none",
                aliases=("sharing",),
                kinds=("account_mapping",),
            ),
            Column(
                "crm_account_id", "id of the partner's account in the CRM", aliases=("crm_id", "salesforce_account_id")
            ),
            Column("status", "prospect, applied, onboarding, active, inactive or archived", kinds=("prm",)),
            Column("program_group", "group or programme", aliases=("group", "program", "programme"), kinds=("prm",)),
            Column("tier", "level held in the PRM", aliases=("level", "partner_tier", "partner_level"), kinds=("prm",)),
            Column("motion", "reseller, distributor, referral, si, msp and so on", kinds=("prm",)),
            Column("region", "sales region", kinds=("prm",)),
            Column("country", "country, name or ISO code", kinds=("prm",)),
            Column("industry", "industry", kinds=("prm",)),
            Column(
                "joined_at",
                "when it joined",
                "ts",
                aliases=("joined_date", "join_date", "member_since"),
                kinds=("prm",),
            ),
            Column(
                "manager",
                "the partner manager",
                aliases=("partner_manager_email", "partner_manager", "manager_email"),
                kinds=("prm",),
            ),
            aliases=("partner",),
        ),
        _template(
            "account_overlaps",
            ("account_mapping",),
            "one of our accounts that a partner has in a population too",
            _own("overlap_id", derived=True),
            _PARTNER,
            Column("own_account_id", "id of our account in the CRM", aliases=("account_id", "crm_account_id")),
            Column("domain", "web domain of the account", aliases=("website", "website_domain")),
            Column(
                "own_population",
                "our population: customers, open opportunities, prospects",
                required=True,
                aliases=("our_population", "our_populations"),
            ),
            Column(
                "partner_population",
                "the partner's population",
                required=True,
                aliases=("their_population", "partner_populations"),
            ),
            Column("matched_at", "when the overlap appeared", "ts", aliases=("overlap_time", "match_date")),
            Column(
                "partner_owner", "who owns the account at the partner", aliases=("partner_account_owner", "partner_rep")
            ),
            aliases=("overlaps",),
        ),
        _template(
            "overlap_counts",
            ("account_mapping",),
            "how many accounts two populations share, where a partner shares only counts",
            _own(derived=True),
            _PARTNER,
            Column("own_population", "our population", required=True, aliases=("our_population", "our_populations")),
            Column(
                "partner_population",
                "the partner's population",
                required=True,
                aliases=("their_population", "partner_populations"),
            ),
            Column("account_count", "number of shared accounts", "int", required=True, aliases=("count", "overlaps")),
        ),
        _template(
            "partner_users",
            ("prm",),
            "one person of a partner with access to the portal",
            _own("user_id"),
            _PARTNER,
            Column("email", "e-mail address", aliases=("user_email", "email_address")),
            Column("first_name", "first name"),
            Column("last_name", "last name"),
            Column("job_title", "job title", aliases=("title",)),
            Column("role", "role in the portal"),
            Column("is_active", "true while the person has access", "bool", aliases=("active",)),
            Column("is_primary", "true for the partner's main contact", "bool", aliases=("primary",)),
            Column("created_at", "when access was given", "ts", aliases=("created_date",)),
            Column("last_login_at", "last visit of the portal", "ts", aliases=("last_login",)),
        ),
        _template(
            "deal_registrations",
            ("prm",),
            "one deal that a partner registered or that is attributed to it",
            _own("deal_id", "registration_id", "deal_registration_id"),
            _PARTNER,
            Column("partner_user_id", "who registered it, as source_id of partner_users says it"),
            Column("crm_opportunity_id", "id of the opportunity in the CRM", aliases=("opportunity_id",)),
            Column(
                "customer_company", "the customer", aliases=("customer", "customer_name", "company", "account_name")
            ),
            Column("deal_name", "the deal's name", aliases=("name",)),
            Column(
                "registration_status",
                "draft, submitted, returned, accepted, auto_accepted, declined or expired",
                required=True,
                aliases=("status",),
            ),
            Column("outcome", "open, won or lost"),
            Column("stage", "stage of the pipeline", aliases=("deal_stage",)),
            Column("amount", "value in the currency's major unit", "decimal", aliases=("deal_amount",)),
            _CURRENCY,
            Column("origin", "how the deal came", aliases=("source", "deal_source")),
            Column(
                "submitted_at", "when it was registered", "ts", required=True, aliases=("submitted", "submitted_on")
            ),
            Column("decided_at", "when it was accepted or declined", "ts"),
            Column("expires_at", "end of the protection", "ts", aliases=("expiration_date", "expiry_date")),
            Column(
                "expected_close_date", "expected day of closing", "date", aliases=("close_date", "estimated_close_date")
            ),
            Column("closed_at", "when it was won or lost", "ts", aliases=("closed_date",)),
            Column("lost_reason", "why it was lost", aliases=("closed_lost_reason",)),
            aliases=("deal_registration", "registrations"),
        ),
        _template(
            "leads",
            ("prm",),
            "one lead passed between us and a partner",
            _own("lead_id"),
            _PARTNER,
            Column("direction", "to_partner or from_partner"),
            Column("status", "submitted, accepted, rejected, converted, won or lost", required=True),
            Column("customer_company", "the customer", aliases=("customer", "company", "company_name")),
            Column("customer_email", "e-mail address of the customer", aliases=("email",)),
            Column("amount", "value in the currency's major unit", "decimal"),
            _CURRENCY,
            Column("submitted_at", "when it was passed on", "ts", required=True, aliases=("submitted", "submitted_on")),
            Column("accepted_at", "when it was accepted", "ts"),
            Column("converted_at", "when it became a deal", "ts"),
            aliases=("lead",),
        ),
        _template(
            "training_records",
            ("prm",),
            "one person's (or partner's) course or certificate",
            _own("training_id", "completion_id"),
            _PARTNER,
            _USER_ID,
            _USER_EMAIL,
            Column(
                "item_name",
                "course or certificate",
                aliases=("course_or_cert_name", "course", "course_name", "certification", "certification_name"),
            ),
            Column("record_type", "course, certification, learning path", required=True, aliases=("type",)),
            Column("status", "not_started, in_progress, completed, failed or expired", required=True),
            Column("progress_pct", "progress in percent, 0 to 100", "decimal", aliases=("progress",)),
            Column("enrolled_at", "when it was begun", "ts", aliases=("enrolled_date",)),
            Column("completed_at", "when it was completed", "ts", aliases=("completed_date", "completion_date")),
            Column("expires_at", "end of validity", "ts", aliases=("expiration_date", "expiry_date", "expires")),
            aliases=("training_completions", "certifications", "trainings"),
        ),
        _template(
            "activity_events",
            ("prm",),
            "one thing that a person did in the portal",
            _own("event_id", "activity_id"),
            _PARTNER,
            _USER_ID,
            _USER_EMAIL,
            Column(
                "event_type",
                "portal_login, asset_view, form_submitted and so on",
                required=True,
                aliases=("type", "event"),
            ),
            Column("object_type", "what it was done with"),
            Column("object_name", "name of that thing"),
            Column(
                "occurred_at",
                "when it happened",
                "ts",
                required=True,
                aliases=("event_date", "event_time", "timestamp"),
            ),
            aliases=("activities", "activity"),
        ),
        _template(
            "mdf_requests",
            ("prm",),
            "one request for market development funds",
            _own("request_id", "mdf_request_id"),
            _PARTNER,
            Column("fund_name", "the fund", aliases=("fund",)),
            Column("activity_type", "what the money is for", aliases=("activity",)),
            Column("status", "draft, submitted, approved, declined, completed or cancelled", required=True),
            Column("requested_amount", "amount asked for", "decimal", aliases=("amount", "amount_requested")),
            Column("approved_amount", "amount granted", "decimal", aliases=("amount_approved",)),
            _CURRENCY,
            Column("submitted_at", "when it was asked for", "ts", required=True, aliases=("submitted", "submitted_on")),
            Column("decided_at", "when it was decided", "ts"),
            Column("activity_start", "first day of the activity", "date", aliases=("start_date",)),
            Column("activity_end", "last day of the activity", "date", aliases=("end_date",)),
        ),
        _template(
            "mdf_claims",
            ("prm",),
            "one claim on granted market development funds",
            _own("claim_id", "mdf_claim_id"),
            Column("request_id", "the request, as source_id of mdf_requests says it", aliases=("mdf_request_id",)),
            _PARTNER,
            Column("status", "draft, submitted, approved, declined or paid", required=True),
            Column("claimed_amount", "amount claimed", "decimal", aliases=("amount", "amount_claimed")),
            Column("approved_amount", "amount granted", "decimal", aliases=("amount_approved",)),
            _CURRENCY,
            Column("submitted_at", "when it was claimed", "ts", required=True, aliases=("submitted", "submitted_on")),
            Column("paid_at", "when it was paid", "ts"),
        ),
        _template(
            "transactions",
            ("prm",),
            "one sale through a partner",
            _own("transaction_id"),
            _PARTNER,
            Column("customer_id", "id of the customer", aliases=("customer",)),
            Column("deal_id", "the registered deal, as source_id of deal_registrations says it"),
            Column("transaction_date", "day of the sale", "date", required=True, aliases=("date", "invoice_date")),
            Column("amount", "value in the currency's major unit", "decimal", required=True),
            _CURRENCY,
            Column("product", "what was sold", aliases=("product_name",)),
            Column("approved", "true once it is accepted", "bool", aliases=("is_approved",)),
        ),
        _template(
            "rewards",
            ("prm",),
            "one reward or commission of a partner",
            _own("reward_id", "commission_id"),
            _PARTNER,
            Column("transaction_id", "the sale, as source_id of transactions says it"),
            Column("deal_id", "the registered deal, as source_id of deal_registrations says it"),
            Column("status", "pending, on_hold, approved, declined, paid or void", required=True),
            Column("amount", "value in the currency's major unit", "decimal", required=True),
            _CURRENCY,
            Column("description", "what it is for"),
            Column("earned_at", "when it was earned", "ts", aliases=("created_at", "earned_date")),
            Column("paid_at", "when it was paid", "ts", aliases=("payment_date", "paid_date")),
            aliases=("commissions",),
        ),
        _template(
            "csat_responses",
            ("prm",),
            "one answer of a partner to a survey",
            _own("response_id"),
            _PARTNER,
            _USER_EMAIL,
            Column("survey_name", "the survey", aliases=("survey",)),
            Column("score", "points given", "decimal", required=True, aliases=("rating",)),
            Column("scale_max", "most points possible", "decimal", required=True, aliases=("scale", "max_score")),
            Column("comment", "words beside the points", aliases=("comments",)),
            Column("responded_at", "when it was answered", "ts", required=True, aliases=("response_date", "responded")),
            aliases=("csat", "survey_responses"),
        ),
        _template(
            "business_plans",
            ("prm",),
            "one plan, goal or business review with a partner",
            _own("plan_id"),
            _PARTNER,
            Column("plan_type", "business_plan, goal or review", aliases=("type",)),
            Column("period_start", "first day it covers", "date", aliases=("start_date",)),
            Column("period_end", "last day it covers", "date", aliases=("end_date",)),
            Column("status", "draft, active, completed and so on"),
            Column("target_amount", "amount aimed at", "decimal", aliases=("target",)),
            Column("actual_amount", "amount reached", "decimal", aliases=("actual",)),
            _CURRENCY,
            Column("meeting_date", "day of the review", "date"),
        ),
        _template(
            "metric_facts",
            KINDS,
            "one fact of a programme's own, for a metric that a policy declares",
            _own("fact_id"),
            Column(
                "partner",
                "the partner's number, else its id in this source",
                required=True,
                aliases=("partner_number", "partner_id"),
            ),
            Column("metric", "which metric it feeds", required=True, aliases=("metric_name",)),
            Column("fact_date", "the day it counts for", "date", required=True, aliases=("date", "day")),
            Column("value", "the number", "decimal", required=True),
            Column("subject", "whom or what it is about: a person, a customer, an order"),
            Column("attributes", "further facts as JSON text"),
        ),
    )
)


def spelled(name: str) -> str:
    """A name as it is compared: `Account ID`, `account-id` and `AccountId` are one and the same."""
    return re.sub(r"[\W_]+", "", name).casefold()


def words_of(columns: Iterable[Column]) -> set[str]:
    """Every name that these columns answer to, as `spelled`."""
    return {spelled(word) for column in columns for word in (column.name, *column.aliases)}


def entities_of(kind: Kind) -> list[str]:
    """The entities a source of this kind may have, in the order of the registry."""
    return [name for name, template in TEMPLATES.items() if kind in template.kinds]


def columns_of(entity: str, kind: Kind | None = None) -> tuple[Column, ...]:
    """The columns of an entity's template; without a kind those of all kinds together."""
    columns = TEMPLATES[entity].columns
    return tuple(x for x in columns if kind is None or not x.kinds or kind in x.kinds)


def required_of(entity: str, kind: Kind | None = None) -> tuple[str, ...]:
    """Names of the columns a file must have."""
    return tuple(column.name for column in columns_of(entity, kind) if column.required)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, or None where none is like it."""
    by_spelling = {spelled(one): one for one in known}
    near = difflib.get_close_matches(spelled(name), by_spelling, 1, cutoff=0.6)
    return by_spelling[near[0]] if near else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`, did you mean 'amount'?` or nothing: to be put behind an unknown name."""
    near = nearest(name, known)
    return f", did you mean {near!r}?" if near else ""


_TYPES: dict[Type, str] = {
    "text": "text",
    "bool": "true or false",
    "int": "whole number",
    "decimal": "number, 1234.56",
    "date": "day, 2026-07-05",
    "ts": "moment in UTC, 2026-07-05T14:30:00Z",
}


def guide(kind: Kind, entities: Iterable[str]) -> str:
    """A Markdown page that describes the columns of some entities."""
    lines = [
        f"# Files of a source of kind {kind}",
        "",
        "One file per entity, UTF-8, with the header as it is here. Columns may come in any order; those that are not",
        "marked may be left out or blank, and a blank is unknown, not zero. Files you do not have you leave out.",
        "Headers of another tool are mapped in the deployment file (`headers`), files of another name too (`files`).",
    ]
    for entity in entities:
        lines += ["", f"## {entity}", "", f"One row is {TEMPLATES[entity].says}.", ""]
        lines += ["| column | required | type | what |", "|---|---|---|---|"]
        for column in columns_of(entity, kind):
            mark = "yes" if column.required else ""
            lines.append(f"| {column.name} | {mark} | {_TYPES[column.type]} | {column.says} |")
    return "\n".join(lines) + "\n"


def write_templates(folder: Path, *, kind: str | None, entities: Iterable[str], force: bool = False) -> list[Path]:
    """Write a file with nothing but the header per entity, and a README that describes the columns.

    Args:
        folder: where; made if missing. Without a kind and entities it gets one folder per kind.
        kind: of the source; may be left out where the entities have one kind only.
        entities: which; none: all of the kind.
        force: replace files that are there.

    Returns:
        The files written.

    Raises:
        ConfigError: an unknown kind or entity, a kind that has to be said, or files that are there already.
    """
    wanted = list(entities)
    if kind is None and not wanted:
        pages = [one for each in KINDS for one in _pages(folder / each, each, entities_of(each))]
    else:
        chosen = _kind_of(kind, wanted)
        pages = _pages(folder, chosen, wanted or entities_of(chosen))
    there = [str(path) for path, _ in pages if path.exists()]
    if there and not force:
        raise ConfigError(
            f"{', '.join(there[:3])}{' ...' if len(there) > 3 else ''}: there already, left as it is; nothing written",
            next_step="`--force` replaces, `--to` names another folder",
        )
    for path, text in pages:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [path for path, _ in pages]


def _pages(folder: Path, kind: Kind, entities: list[str]) -> list[tuple[Path, str]]:
    pages = [
        (folder / f"{entity}.csv", ",".join(column.name for column in columns_of(entity, kind)) + "\n")
        for entity in entities
    ]
    return [*pages, (folder / "README.md", guide(kind, entities))]


def _kind_of(kind: str | None, entities: list[str]) -> Kind:
    """The kind that was said or that all the entities have.

    Raises:
        ConfigError: it is unknown, or has no such entity, or more than one kind would do.
    """
    if kind is not None and kind not in KINDS:
        raise ConfigError(f"--kind {kind}: unknown{did_you_mean(kind, KINDS)}; expected one of: {', '.join(KINDS)}")
    possible = [one for one in KINDS if kind in (None, one)]
    for entity in entities:
        known = [name for name in TEMPLATES if any(one in TEMPLATES[name].kinds for one in possible)]
        if entity not in known:
            what = f"no entity of kind {kind}" if kind and entity in TEMPLATES else "unknown entity"
            raise ConfigError(
                f"{entity}: {what}{did_you_mean(entity, known)}; nothing written",
                next_step=f"one of: {', '.join(known)}",
            )
        possible = [one for one in possible if one in TEMPLATES[entity].kinds]
    if len(possible) != 1:
        what = f"of kind {' and '.join(possible)} alike" if possible else "of no one kind"
        raise ConfigError(
            f"{', '.join(entities)}: {what}; nothing written", next_step=f"say one kind: --kind {' or '.join(KINDS)}"
        )
    return possible[0]

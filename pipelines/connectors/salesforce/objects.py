"""Which objects and fields of Salesforce are read, and what is taken for granted of each.

The raw tables are the same whether rows come over the API or out of a data export: `snake(Object)`, one column per
field, `snake(Field)`. `Opportunity` has one column more, `partner_fields`: the lookups that the option of that name
lists, as a JSON object of field and account id.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.connector import Table, snake

PARTNER_FIELDS = "partner_fields"
# The fields a modification can be told by, best first. History objects have the last one alone.
CURSORS = ("SystemModstamp", "LastModifiedDate", "CreatedDate")


@dataclass(frozen=True)
class SObject:
    """One object: fields without which it is of no use, fields that are used where they are there.

    `is_small`: read whole every time, because it is small or because the vendor keeps no stamp to go by.
    `is_dated`: `start_date` bounds it; what others point at is always read from the beginning.
    `is_spare`: kept for whoever looks into the lake; no table rests on it, so nobody is warned when an org has none.
    `companion`: the object it is of no use without, and without which it is not missed.
    """

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    is_small: bool = False
    is_dated: bool = False
    in_every_export: bool = False
    is_spare: bool = False
    companion: str | None = None

    @property
    def table_name(self) -> str:
        """The raw table."""
        return snake(self.name)

    @property
    def table(self) -> Table:
        """The raw table as it is declared."""
        more = (PARTNER_FIELDS,) if self.name == "Opportunity" else ()
        return Table(
            name=self.table_name,
            columns=tuple(snake(field) for field in (*self.required, *self.optional)) + more,
            required=tuple(snake(field) for field in self.required),
            may_be_empty=not self.in_every_export,
        )


_PARTNER = ("Role", "IsPrimary", "ReversePartnerId", "IsDeleted", "CreatedDate", "SystemModstamp")

OBJECTS: tuple[SObject, ...] = (
    SObject(
        "Account",
        ("Id", "Name"),
        (
            "AccountNumber", "Type", "IsPartner", "Industry", "Website", "NumberOfEmployees", "BillingCountry",
            "BillingCountryCode", "BillingState", "Region__c", "ParentId", "OwnerId", "IsDeleted", "MasterRecordId",
            "CreatedDate", "SystemModstamp",
        ),
        in_every_export=True,
    ),
    SObject(
        "Opportunity",
        ("Id", "AccountId", "StageName", "IsClosed", "IsWon", "Amount", "CloseDate"),
        (
            "Name", "CurrencyIsoCode", "OwnerId", "Type", "LeadSource", "PartnerAccountId", "IsDeleted", "CreatedDate",
            "SystemModstamp",
        ),
        is_dated=True,
        in_every_export=True,
    ),
    SObject(
        "OpportunityPartner", ("Id", "OpportunityId", "AccountToId"), _PARTNER, is_small=True, in_every_export=True
    ),
    SObject(
        "OpportunityHistory",
        ("Id", "OpportunityId", "StageName", "CreatedDate"),
        ("Amount", "CurrencyIsoCode", "CloseDate", "Probability", "IsDeleted", "SystemModstamp"),
        is_dated=True,
    ),
    SObject(
        "Partner",
        ("Id", "AccountToId"),
        ("OpportunityId", "AccountFromId", *_PARTNER),
        is_small=True,
        is_spare=True,
    ),
    SObject(
        "AccountPartner",
        ("Id", "AccountFromId", "AccountToId"),
        ("OpportunityId", *_PARTNER),
        is_small=True,
        is_spare=True,
    ),
    SObject(
        "User", ("Id",), ("Name", "IsActive", "UserType", "AccountId", "ContactId", "CreatedDate", "SystemModstamp"),
        is_spare=True,
    ),
    SObject(
        "Event",
        ("Id", "AccountId"),
        (
            "OwnerId", "StartDateTime", "ActivityDate", "DurationInMinutes", "IsAllDayEvent", "IsChild", "IsGroupEvent",
            "IsRecurrence", "IsRecurrence2", "RecurrenceActivityId", "IsArchived", "IsDeleted", "CreatedDate",
            "SystemModstamp",
        ),
        is_dated=True,
    ),
    SObject(
        "Task",
        ("Id", "AccountId"),
        (
            "OwnerId", "ActivityDate", "CompletedDateTime", "Status", "IsClosed", "TaskSubtype", "CallType",
            "CallDurationInSeconds", "IsRecurrence", "RecurrenceActivityId", "IsArchived", "IsDeleted", "CreatedDate",
            "SystemModstamp",
        ),
        is_dated=True,
    ),
    SObject(
        "ChannelProgram",
        ("Id", "Name"),
        ("Category", "IsActive", "IsDeleted", "SystemModstamp"),
        is_small=True,
        companion="ChannelProgramMember",
    ),
    SObject(
        "ChannelProgramLevel",
        ("Id", "Name"),
        ("ProgramId", "Rank", "IsDeleted", "SystemModstamp"),
        is_small=True,
        companion="ChannelProgramMember",
    ),
    SObject(
        "ChannelProgramMember",
        ("Id", "ProgramId", "PartnerId"),
        ("LevelId", "IsDeleted", "CreatedDate", "SystemModstamp"),
        is_small=True,
    ),
    SObject(
        "PartnerFundRequest",
        ("Id", "ChannelPartnerId"),
        (
            "Title", "Activity", "Status", "RequestedAmount", "Amount", "CurrencyIsoCode", "CampaignId", "BudgetId",
            "IsDeleted", "CreatedDate", "SystemModstamp",
        ),
        is_small=True,
        is_spare=True,
    ),
    SObject(
        "PartnerFundClaim",
        ("Id", "RequestId"),
        (
            "Title", "Status", "Amount", "CurrencyIsoCode", "ChannelPartnerId", "BudgetId", "IsDeleted", "CreatedDate",
            "SystemModstamp",
        ),
        is_small=True,
        is_spare=True,
    ),
    SObject(
        "CurrencyType",
        ("Id", "IsoCode", "ConversionRate"),
        ("DecimalPlaces", "IsActive", "IsCorporate", "SystemModstamp"),
        is_small=True,
        is_spare=True,
    ),
    SObject(
        "DatedConversionRate",
        ("Id", "IsoCode", "StartDate", "ConversionRate"),
        ("NextStartDate", "SystemModstamp"),
        is_small=True,
        is_spare=True,
    ),
    SObject(
        "Organization",
        ("Id",),
        (
            "Name", "OrganizationType", "InstanceName", "IsSandbox", "TimeZoneSidKey", "FiscalYearStartMonth",
            "UsesStartDateAsFiscalYearName", "SystemModstamp",
        ),
        is_small=True,
        is_spare=True,
    ),
)  # fmt: skip

# Without these there is nothing to measure.
NEEDED = ("Account", "Opportunity")

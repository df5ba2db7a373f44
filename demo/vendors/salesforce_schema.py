"""The objects and fields a Salesforce org has out of the box, as far as an extractor of partner production meets them.

`Field:type` with the describe call's types shortened; a trailing `!` marks a field that cannot be filtered. Facts of
the vendor's object reference and of describe results, API versions 61 to 67; the key prefixes of partner programmes,
roles, stages and currencies are our own, for no document that we have tells them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

_SHORT = {
    "id": "id",
    "ref": "reference",
    "str": "string",
    "text": "textarea",
    "pick": "picklist",
    "bool": "boolean",
    "dt": "datetime",
    "date": "date",
    "int": "int",
    "cur": "currency",
    "dbl": "double",
    "pct": "percent",
    "url": "url",
    "email": "email",
    "phone": "phone",
    "address": "address",
    "combo": "combobox",
}
NUMERIC = frozenset({"currency", "double", "percent"})
COMPOUND = frozenset({"address", "location"})

_AUDIT = "CreatedDate:dt CreatedById:ref LastModifiedDate:dt LastModifiedById:ref SystemModstamp:dt"
_OWNED = f"Id:id OwnerId:ref IsDeleted:bool {{}} {_AUDIT} LastViewedDate:dt LastReferencedDate:dt"

_OBJECTS: dict[str, tuple[str, str]] = {
    # object: (key prefix, fields)
    "Account": (
        "001",
        "Id:id IsDeleted:bool MasterRecordId:ref Name:str Type:pick ParentId:ref BillingStreet:text BillingCity:str "
        "BillingState:str BillingPostalCode:str BillingCountry:str BillingCountryCode:pick BillingAddress:address "
        "Phone:phone AccountNumber:str Website:url Industry:pick AnnualRevenue:cur NumberOfEmployees:int "
        f"Description:text! OwnerId:ref {_AUDIT} LastActivityDate:date IsPartner:bool IsCustomerPortal:bool "
        "ChannelProgramName:str! ChannelProgramLevelName:str! AccountSource:pick YearStarted:str",
    ),
    "Opportunity": (
        "006",
        "Id:id IsDeleted:bool AccountId:ref IsPrivate:bool Name:str Description:text! StageName:pick Amount:cur "
        "Probability:pct ExpectedRevenue:cur TotalOpportunityQuantity:dbl CloseDate:date Type:pick NextStep:str "
        "LeadSource:pick IsClosed:bool IsWon:bool ForecastCategory:pick ForecastCategoryName:pick CampaignId:ref "
        f"HasOpportunityLineItem:bool OwnerId:ref {_AUDIT} LastActivityDate:date PushCount:int LastStageChangeDate:dt "
        "FiscalQuarter:int FiscalYear:int Fiscal:str ContactId:ref",
    ),
    "OpportunityHistory": (
        "008",
        "Id:id OpportunityId:ref CreatedById:ref CreatedDate:dt StageName:pick Amount:cur ExpectedRevenue:cur "
        "CloseDate:date Probability:pct ForecastCategory:pick SystemModstamp:dt IsDeleted:bool PrevAmount:cur "
        "PrevCloseDate:date",
    ),
    "OpportunityPartner": (
        "00I",
        f"Id:id OpportunityId:ref AccountToId:ref Role:pick IsPrimary:bool {_AUDIT} IsDeleted:bool "
        "ReversePartnerId:ref",
    ),
    "Partner": (
        "00I",
        f"Id:id OpportunityId:ref AccountFromId:ref AccountToId:ref Role:pick IsPrimary:bool {_AUDIT} IsDeleted:bool "
        "ReversePartnerId:ref",
    ),
    "AccountPartner": (
        "00I",
        f"Id:id AccountFromId:ref AccountToId:ref OpportunityId:ref Role:pick IsPrimary:bool {_AUDIT} IsDeleted:bool "
        "ReversePartnerId:ref",
    ),
    "PartnerRole": ("0L3", f"Id:id MasterLabel:str ApiName:str SortOrder:int ReverseRole:pick {_AUDIT}"),
    "OpportunityStage": (
        "01J",
        "Id:id MasterLabel:str ApiName:str IsActive:bool SortOrder:int IsClosed:bool IsWon:bool ForecastCategory:pick "
        f"ForecastCategoryName:pick DefaultProbability:pct Description:str {_AUDIT}",
    ),
    "ChannelProgram": ("0eH", _OWNED.format("Name:str Description:text Category:pick IsActive:bool")),
    "ChannelProgramLevel": ("0eI", _OWNED.format("Name:str ProgramId:ref Description:text Rank:int")),
    "ChannelProgramMember": ("0eJ", _OWNED.format("Name:str ProgramId:ref LevelId:ref PartnerId:ref")),
    "PartnerFundRequest": (
        "0eL",
        _OWNED.format(
            "Title:str AllocationId:ref ChannelPartnerId:ref CampaignId:ref BudgetId:ref Activity:pick "
            "Description:text RequestedAmount:cur DesiredOutcome:text Amount:cur Status:pick TotalApprovedFcs:cur "
            "TotalReimbursedFcs:cur"
        ),
    ),
    "PartnerFundClaim": (
        "0eM",
        _OWNED.format(
            "Title:str RequestId:ref Description:text Amount:cur Status:pick BudgetId:ref AllocationId:ref "
            "ChannelPartnerId:ref"
        ),
    ),
    "Task": (
        "00T",
        "Id:id WhoId:ref WhatId:ref Subject:combo ActivityDate:date Status:pick Priority:pick OwnerId:ref "
        f"Description:text! IsDeleted:bool AccountId:ref IsClosed:bool {_AUDIT} IsArchived:bool "
        "CallDurationInSeconds:int CallType:pick CallDisposition:str RecurrenceActivityId:ref IsRecurrence:bool "
        "TaskSubtype:pick CompletedDateTime:dt",
    ),
    "Event": (
        "00U",
        "Id:id WhoId:ref WhatId:ref Subject:combo Location:str IsAllDayEvent:bool ActivityDateTime:dt "
        "ActivityDate:date DurationInMinutes:int StartDateTime:dt EndDateTime:dt Description:text! AccountId:ref "
        "OwnerId:ref IsPrivate:bool ShowAs:pick IsDeleted:bool IsChild:bool IsGroupEvent:bool GroupEventType:pick "
        f"{_AUDIT} IsArchived:bool RecurrenceActivityId:ref IsRecurrence:bool EventSubtype:pick IsRecurrence2:bool "
        "IsRecurrence2Exclusion:bool",
    ),
    "User": (
        "005",
        "Id:id Username:str LastName:str FirstName:str Name:str CompanyName:str Division:str Department:str Title:str "
        "Email:email IsActive:bool TimeZoneSidKey:pick UserRoleId:ref ProfileId:ref UserType:pick ManagerId:ref "
        f"LastLoginDate:dt {_AUDIT} ContactId:ref AccountId:ref",
    ),
    "CurrencyType": (
        "01L",
        f"Id:id IsoCode:pick ConversionRate:dbl DecimalPlaces:int IsActive:bool IsCorporate:bool {_AUDIT}",
    ),
    "DatedConversionRate": (
        "04w",
        f"Id:id IsoCode:pick StartDate:date NextStartDate:date ConversionRate:dbl {_AUDIT}",
    ),
    "Organization": (
        "00D",
        "Id:id Name:str Country:str DefaultLocaleSidKey:pick TimeZoneSidKey:pick LanguageLocaleKey:pick "
        "FiscalYearStartMonth:int UsesStartDateAsFiscalYearName:bool OrganizationType:pick InstanceName:str "
        "IsSandbox:bool CreatedDate:dt SystemModstamp:dt",
    ),
}

# What an org has only with a licence or a switch; `SalesforceOrg.add_object` brings one in.
OPTIONAL = (
    "ChannelProgram", "ChannelProgramLevel", "ChannelProgramMember", "PartnerFundRequest", "PartnerFundClaim",
    "CurrencyType", "DatedConversionRate",
)  # fmt: skip
# A job of the Bulk API is turned down for these.
NOT_BULK = frozenset({"PartnerRole"})
# Neither getDeleted nor getUpdated knows these.
NOT_REPLICATED = frozenset({"OpportunityPartner", "AccountPartner"})
# With several currencies on, every object with an amount has its currency, too.
WITH_CURRENCY = ("Account", "Opportunity", "OpportunityHistory", "PartnerFundRequest", "PartnerFundClaim", "User")


@dataclass(frozen=True)
class Field:
    """One field as the describe call tells it."""

    name: str
    type: str
    is_filterable: bool = True
    is_custom: bool = False
    relationship: str | None = None
    refers_to: str | None = None

    def described(self) -> dict[str, object]:
        """The part of a describe answer that clients look at."""
        return {
            "name": self.name,
            "label": self.name,
            "type": self.type,
            "filterable": self.is_filterable,
            "sortable": self.is_filterable,
            "nillable": self.name not in ("Id", "IsDeleted", "CreatedDate", "SystemModstamp"),
            "custom": self.is_custom,
            "calculated": False,
            "compoundFieldName": "BillingAddress" if self.name.startswith("Billing") else None,
            "referenceTo": [self.refers_to] if self.refers_to else [],
            "relationshipName": self.relationship,
            "deprecatedAndHidden": False,
        }


def standard_fields(name: str) -> dict[str, Field]:
    """The fields of an object, in the order of its describe."""
    fields = {}
    for word in _OBJECTS[name][1].split():
        bare, _, kind = word.partition(":")
        field = Field(bare, _SHORT[kind.rstrip("!")], is_filterable=not kind.endswith("!") and kind != "address")
        if field.type == "reference":
            target = {"AccountTo": "Account", "AccountFrom": "Account", "Partner": "Account"}.get(bare[:-2], bare[:-2])
            field = replace(field, relationship=bare[:-2], refers_to=target)
        fields[bare] = field
    return fields


def standard_objects() -> list[str]:
    """All objects known here, those of an org without extra licences first."""
    return [name for name in _OBJECTS if name not in OPTIONAL] + list(OPTIONAL)


def key_prefix(name: str) -> str:
    """The first three characters of an object's ids."""
    return _OBJECTS[name][0] if name in _OBJECTS else "a00"

"""The sample company behind a vendor's API: the fakes filled with its CRM, and what leads a connector to them.

Both hold the CRM as it was exported last, so that a run over the API can be held against a run from those files.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from demo.company import DEFAULT_PARTNERS, DEFAULT_QUARTERS, DEFAULT_SEED, DROP_2, World
from demo.crm_export import write_crm
from demo.vendors.hubspot import HubspotAccount
from demo.vendors.hubspot_templates import LEAD_LABEL
from demo.vendors.salesforce import SalesforceOrg
from demo.vendors.trial import Trial

_HUBSPOT_KEY = "pat-na1-sample-company-0000-000000000001"


def salesforce_company(
    *, seed: int = DEFAULT_SEED, partners: int = DEFAULT_PARTNERS, quarters: int = DEFAULT_QUARTERS
) -> Trial:
    """The sample company as a Salesforce org with an external client app."""
    org = SalesforceOrg(name="Sample Company")
    org.set_clock(DROP_2)
    with tempfile.TemporaryDirectory() as folder:
        write_crm(Path(folder), World(seed, partners, quarters), as_of=DROP_2)
        org.load_templates(Path(folder))

    def options(url: str) -> dict[str, Any]:
        return {"domain": url}

    return Trial(org, org.app(), options, DROP_2, {"client_id": org.app_key, "client_secret": org.app_secret})


def hubspot_company(
    *, seed: int = DEFAULT_SEED, partners: int = DEFAULT_PARTNERS, quarters: int = DEFAULT_QUARTERS
) -> Trial:
    """The sample company as a HubSpot account with a service key."""
    account = HubspotAccount(clock=DROP_2, time_zone="UTC")
    account.add_key(_HUBSPOT_KEY)
    with tempfile.TemporaryDirectory() as folder:
        write_crm(Path(folder), World(seed, partners, quarters), as_of=DROP_2)
        account.load_templates(Path(folder))

    def options(url: str) -> dict[str, Any]:
        return {
            "base_url": url,
            "partner_number_property": "partner_number",
            "region_property": "region",
            "primary_label": LEAD_LABEL,
            "task_minutes_property": "minutes_spent",
        }

    return Trial(account, account.app(), options, DROP_2, {"token": _HUBSPOT_KEY})


COMPANIES = {"salesforce": salesforce_company, "hubspot": hubspot_company}
"""By the connector that reads it."""

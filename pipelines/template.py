"""The commented deployment file that `segments init` writes. A test reads it back through `settings.py`."""

TEMPLATE = """\
# The deployment file: which sources there are, how this company counts time and money, which policy decides.
# Lines behind `#` show what may be said besides. `segments check` reads this file and says what a run would do.

deployment: my_company                  # a short name in small letters

# One entry per source instance. The name is yours (small letters, digits, _); two portals of one vendor are two
# entries. `segments sources` lists the connectors, `segments sources salesforce` the options of one.
sources:
  salesforce:
    connector: salesforce
    options:
      folder: .                         # Account.csv, Opportunity.csv, OpportunityPartner.csv; relative to paths.inputs
      # exported_at: 2026-10-05T06:00:00Z   # when the export was taken; left out: when it is loaded
      # partner_types: [Reseller]       # account types that count as partners besides the IsPartner flag
      # default_currency: USD           # of amounts without a currency; left out: the reporting currency

# The fiscal year: its first month, and whether it is named by the calendar year it starts or ends in.
fiscal_calendar: {first_month: 1, named_by: end}
timezone: UTC                           # close dates and schedules are local to it
# as_of: 2026-10-05                     # pins the day a run speaks for; left out: today
# known_at: 2026-10-05T12:00:00Z        # use only facts known up to then; left out: all
# first_release: 2026Q2                 # quarters from here on that have no release yet are made up for, oldest first
history_quarters: 12                    # how many quarters of history are rebuilt in every run

reporting_currency: USD
# From that day on, one unit of the currency is worth `rate` units of the reporting currency. An opportunity in a
# currency without a rate on its close date is set aside and the release is refused.
exchange_rates: []
#  - {currency: EUR, from: 2026-01-01, rate: 1.08}

# Ideal customer profile, a rule on account attributes; an empty list asks nothing.
icp:
  industries: []                        # [Manufacturing, Retail]
  regions: []
  countries: []
  employees: {}                         # {min: 200, max: 10000}

# Which records of several systems are one partner, where the records do not say so: CSV of source, source_id,
# partner_number, why. `roster`: partners of these kinds of systems are scored even if no other system knows them.
# identity: {crosswalk: crosswalk.csv, roster: [crm, prm]}
# privacy: {suppress_overlap_below: 0}   # overlap counts from 1 to one below this are left blank in released tables

pseudo_partners: []                     # [Direct, N/A]: names, numbers or account ids that are no partners

policy:
  active: sample-programme              # name, or name@version to pin one
  # compare: [another-policy]           # evaluated beside it in the same run; decides nothing

# What the gate tolerates.
quality:
  max_quarantined_share: 0.01           # of an entity's rows
  min_rows_share_of_last: 0.8           # a full load below this share of the last one stops the run

# Both schedules are off until they are turned on in the UI (`dagster dev -w workspace.yaml`).
schedule:
  release: {day: 5, hour: 6}            # of each quarter's first month: releases the quarter that has just ended
  daily: {hour: 5}                      # computes and judges, releases nothing

# Who is told. The address is a secret and stays in the environment; `url_env` names the variable.
alerts: []
#  - {name: partner_ops, url_env: SEGMENTS_ALERT_PARTNER_OPS, events: [run_failed, release_refused]}

# Folders, relative to this file.
paths:
  inputs: inputs                        # `segments run --data FOLDER` overrides it
  state: data                           # lake, warehouse, candidates, releases
  policies: policies
"""

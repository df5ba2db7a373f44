"""The commented deployment file that `segments init` writes. A test reads it back through `settings.py`."""

TEMPLATE = """\
# The deployment file: which sources there are, how this company counts time and money, which policy decides.
# Lines behind `#` show what may be said besides. `segments check` reads this file and says what a run would do.

deployment: my_company                  # a short name in small letters

# One entry per source instance. The name is yours (small letters, digits, _); two portals of one vendor are two
# entries. `segments sources` lists the connectors, `segments sources files` the options of one; docs/own-exports.md has
# whole files for spreadsheets, for Salesforce with a portal, and for HubSpot.
sources:
  crm:
    connector: files                    # CSV, JSON or Parquet files, named accounts.csv, opportunities.csv and so on
    options:
      kind: crm                         # what the files come from: crm, account_mapping or prm
      folder: .                         # of the files, or of folders named by day; relative to paths.inputs
      # exported_at: 2026-10-05T06:00:00Z   # when they were exported, if no folder says it; left out: when loaded
      # files: {opportunities: "deals*.csv"}               # files of another name
      # headers: {opportunities: {Deal: source_id}}        # their header: our column, or a list of columns
      # values: {opportunities: {is_won: {"Closed Won": true, "*": false}}}   # their word: our value; "*" is any other
      # defaults: {opportunity_partners: {role: sourced}}  # where the column is missing or blank
      # only_with: {opportunity_partners: account_id}      # rows in which it is blank are none of this table
      # delimiter: ";"                  # left out: detected
      # encoding: cp1252                # left out: UTF-8
      # date_format: day_first          # iso, day_first or month_first; left out: what the columns prove
      # decimal_mark: ","               # left out: what the columns prove
      # may_be_empty: [meetings]        # files that may hold no rows
      # ignore: ["draft*"]              # files and folders to leave alone
      # partner_types: [Reseller]       # account types that count as partners besides is_partner
      # default_currency: USD           # of amounts without a currency; left out: the reporting currency
  # salesforce:                         # in place of it: an org over its API; docs/salesforce.md has all options
  #   connector: salesforce             # secrets: SEGMENTS_SALESFORCE_CLIENT_ID, SEGMENTS_SALESFORCE_CLIENT_SECRET
  #   options:
  #     domain: my-company.my.salesforce.com   # left out: a folder with Account.csv, Opportunity.csv and so on
  #     partner_types: [Reseller]       # account types that count as partners besides the IsPartner flag
  #     partner_fields: {Referral_Partner__c: sourced}   # lookups on the opportunity to a partner's account: its part
  #     default_currency: USD
  # hubspot:                            # or an account over its API; docs/hubspot.md has all options
  #   connector: hubspot                # secret: SEGMENTS_HUBSPOT_TOKEN
  #   options:
  #     partner_number_property: partner_number   # company property with the partner's number
  #     partner_labels: {Reseller: sourced}       # association labels between deals and partners: their part
  # portal:                             # and beside it: partners.csv, training_records.csv and so on
  #   connector: files
  #   options: {kind: prm, folder: portal}

# The fiscal year: its first month, and whether it is named by the calendar year it starts or ends in.
fiscal_calendar: {first_month: 1, named_by: end}
timezone: UTC                           # close dates and schedules are local to it
# as_of: 2026-10-05                     # pins the day a run speaks for; left out: today
# known_at: 2026-10-05T12:00:00Z        # use only facts known up to then; left out: all
# first_release: 2026Q2                 # quarters from here on that have no release yet are made up for, oldest first;
                                        # set it before the first release, to the programme's first quarter
history_quarters: 12                    # how many quarters of history are rebuilt in every run

reporting_currency: USD
# From that day on, one unit of the currency is worth `rate` units of the reporting currency. An opportunity in a
# currency without a rate on its close date is set aside and the release is refused.
exchange_rates: []
#  - {currency: EUR, from: 2026-01-01, rate: 1.08}

# Ideal customer profile, a rule on account attributes; an empty list asks nothing. It counts shared accounts, so it
# waits for account mapping.
icp:
  industries: []                        # [Manufacturing, Retail]
  regions: []
  countries: []
  employees: {}                         # {min: 200, max: 10000}

# How records of several systems become one partner: by hand, else by CRM account id, by web domain, or by
# name and country. `segments identity review` shows what may be one partner.
identity:
  # crosswalk: crosswalk.csv            # the rows by hand: source, source_id, partner_number, why; beside this file
  roster: [crm, prm]                    # kinds of systems whose partners are scored even if no other system knows them

privacy:
  suppress_overlap_below: 0             # 5: counts of shared accounts from 1 to 4 are left blank in partner_overlap

pseudo_partners: []                     # [Direct, N/A]: names, numbers or account ids that are no partners

policy:
  active: partner-programme             # name, or name@version to pin one
  # compare: [another-policy]           # evaluated beside it in the same run; decides nothing

# What the gate tolerates.
quality:
  max_quarantined_share: 0.01           # of an entity's rows
  min_rows_share_of_last: 0.8           # a full load below this share of the last one stops the run
  max_gone_share: 0.02                  # of a table's records, since the last release; more is told
  max_changed_share: 0.25               # of a column's old records that say something else; more is told
  max_unit_factor: 5                    # a quarter's median amount against the four before; more stops the run
  min_quarter_share: 0.25               # deals of a quarter against the least of the four before; fewer stop the run
  stale_sources: freeze                 # last read before the quarter's end: freeze demotions, or refuse the release

# Both schedules are off until they are turned on in the UI (`dagster dev -w workspace.yaml`).
schedule:
  release: {day: 5, hour: 6}            # of each quarter's first month: releases the quarter that has just ended
  daily: {hour: 5}                      # computes and judges, releases nothing

# Who is told. The address is a secret and stays in the environment; `url_env` names the variable.
alerts: []
#  - {name: partner_ops, url_env: SEGMENTS_ALERT_PARTNER_OPS, min_severity: warning, remind_after_hours: 168}
#  - {name: board, url_env: SEGMENTS_ALERT_BOARD, events: [release_refused, released]}   # only these; docs/alerts.md
# owner: partner operations             # who answers for this deployment; a source may name its own `owner`

# Folders, relative to this file.
paths:
  inputs: inputs                        # `segments run --data FOLDER` overrides it
  state: data                           # lake, warehouse, candidates, releases
  policies: policies
"""

"""reconciliation: what must be true of metrics.production_reconciliation."""

from data_quality.promise import critical, never_null, no_rows, rows_at_least, stands_once, suite, warning

SUITE = suite(
    "reconciliation",
    place="warehouse",
    table="metrics.production_reconciliation",
    entity="opportunities",
    description=(
        "One row per attribution model. The CRM's won total of all times against what partners "
        "and direct sales add up to."
    ),
    key=["attribution"],
    floor="there_are_models",
    promises=[
        critical(
            "there_are_models",
            "production was not reconciled with the CRM under any attribution model",
            rows_at_least(1),
        ),
        critical(
            "attribution_is_named", "reconciliation rows do not name their attribution model", never_null("attribution")
        ),
        critical(
            "attribution_stands_once", "attribution models are reconciled twice: {sample}", stands_once("attribution")
        ),
        critical(
            "partners_and_direct_make_the_total",
            "partners and direct sales do not add up to the CRM's won total to the cent: {sample}",
            no_rows("""
                select attribution, crm_won_amount, partner_won_amount, direct_won_amount
                from metrics.production_reconciliation
                where crm_won_amount is null or partner_won_amount is null or direct_won_amount is null
                  or not abs(crm_won_amount - partner_won_amount - direct_won_amount) < 0.005
            """),
        ),
        critical(
            "active_attribution_is_reconciled",
            "the attribution of {policy}@{version} was not reconciled: {sample}",
            no_rows("""
                select due.attribution from (select {policy} as policy, {version} as version) as active
                left join policy.policies as due on due.policy = active.policy and due.version = active.version
                where not exists (
                  select 1 from metrics.production_reconciliation as reconciled
                  where reconciled.attribution = due.attribution)
            """),
        ),
        critical(
            "crm_total_is_the_opportunities",
            "the reconciled total is not the sum of the won opportunities: {sample}",
            no_rows("""
                select reconciled.attribution, reconciled.crm_won_amount, deals.amount as opportunities_amount
                from metrics.production_reconciliation as reconciled
                cross join (
                  select coalesce(sum(reporting_amount), 0) as amount from conformed.opportunities
                  where is_won and not is_deleted and not is_test) as deals
                where reconciled.crm_won_amount is null or not abs(reconciled.crm_won_amount - deals.amount) < 0.005
            """),
        ),
        critical(
            "partner_total_reaches_the_quarters",
            "production of partners was lost or gained on the way into the quarters: {sample}",
            no_rows("""
                with calendar as (
                  select min(quarter_start) as first_day, max(quarter_end) as last_day from deployment.quarters),
                elsewhere as (
                  select coalesce(sum(abs(deals.reporting_amount)), 0) as amount
                  from conformed.opportunities as deals cross join calendar
                  where deals.is_won and not deals.is_deleted
                    and not coalesce(deals.close_date between calendar.first_day and calendar.last_day, false)),
                measured as (
                  select attribution, sum(won_amount) as amount from metrics.partner_quarter_measures
                    group by attribution)
                select reconciled.attribution, reconciled.partner_won_amount, measured.amount as quarters_amount,
                  elsewhere.amount as amount_of_other_days
                from metrics.production_reconciliation as reconciled
                cross join elsewhere
                left join measured on measured.attribution = reconciled.attribution
                where reconciled.partner_won_amount is null
                  or not abs(reconciled.partner_won_amount - coalesce(measured.amount, 0)) < elsewhere.amount + 0.005
            """),
        ),
        warning(
            "partners_matter",
            "not one cent is credited to a partner; were partner roles exported? {sample}",
            no_rows("""
                select attribution, crm_won_amount, partner_won_amount from metrics.production_reconciliation
                where crm_won_amount > 0 and partner_won_amount <= 0
            """),
        ),
    ],
)

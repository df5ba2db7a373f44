"""opportunities: what must be true of opportunities."""

from data_quality.promise import critical, never_null, no_rows, stands_once, suite, warning

SUITE = suite(
    "opportunities",
    place="conformed",
    description=(
        "One row per CRM opportunity. All production is counted from these rows, once. Owed where"
        " a source of opportunities was loaded."
    ),
    key=["source", "source_id"],
    floor="there_are_opportunities",
    promises=[
        critical(
            "there_are_opportunities",
            "no opportunity came through; without them every partner would look inactive",
            no_rows("""
                select source, 0 as opportunity_count from deployment.capabilities
                where entity = 'opportunities' and not exists (select 1 from {judged})
            """),
        ),
        critical("source_is_named", "opportunities do not say which source they come from", never_null("source")),
        critical("source_id_is_there", "opportunities have no id in their source", never_null("source_id")),
        critical(
            "opportunity_stands_once",
            "opportunities stand more than once and would be counted twice: {sample}",
            stands_once("source", "source_id"),
        ),
        critical(
            "states_are_decided",
            "opportunities are won but open, or leave open whether they are closed, won, a test or deleted: {sample}",
            no_rows("""
                select source, source_id, stage from conformed.opportunities
                where is_deleted is null or is_test is null or is_closed is null or is_won is null or (is_won
                  and not is_closed)
            """),
        ),
        critical(
            "account_is_known",
            "opportunities point at accounts that are not there: {sample}",
            no_rows("""
                select deal.source, deal.source_id, deal.account_id from conformed.opportunities as deal
                where deal.account_id is not null and not exists (
                  select 1 from conformed.accounts as account
                  where account.source = deal.source and account.source_id = deal.account_id)
            """),
        ),
        critical(
            "money_is_converted",
            "amounts were lost or turned round on the way to the reporting currency: {sample}",
            no_rows("""
                select source, source_id, currency, close_date from conformed.opportunities
                where (amount is null) <> (reporting_amount is null) or sign(amount) <> sign(reporting_amount)
            """),
        ),
        critical(
            "currency_is_an_iso_code",
            "amounts are in no currency one could name: {sample}",
            no_rows("""
                select source, source_id, currency from conformed.opportunities
                where amount is not null and (currency is null or not regexp_matches(currency, '^[A-Z][A-Z][A-Z]$'))
            """),
        ),
        critical(
            "won_deal_has_day_and_amount",
            "won deals have no close date or no amount and would fall out of every quarter: {sample}",
            no_rows("""
                select source, source_id, stage from conformed.opportunities
                where is_won and not is_deleted and not is_test and (close_date is null or amount is null)
            """),
        ),
        critical(
            "won_deal_is_not_in_the_future",
            "deals are won on days that had not come at {known_at}: {sample}",
            no_rows("""
                select source, source_id, close_date from conformed.opportunities
                where is_won and close_date > cast({known_at} as date) + 1
            """),
        ),
        critical(
            "nothing_was_known_too_late",
            "opportunities carry facts from after {known_at}, the moment this run is allowed to know: {sample}",
            no_rows("""
                select source, source_id, extracted_at from conformed.opportunities
                where extracted_at is null or extracted_at > {known_at}
            """),
        ),
        warning(
            "quarter_has_won_deals",
            "not one deal was won in {quarter}; has the CRM been exported to the quarter's end? {sample}",
            no_rows("""
                select {quarter} as quarter, count(*) as opportunity_count, max(close_date) as last_close_date
                from conformed.opportunities
                having count(*) filter (where is_won and not is_deleted and close_date <= {quarter_end}
                  and close_date >= {quarter_start}) = 0
                  and exists (select 1 from deployment.capabilities where entity = 'opportunities')
            """),
        ),
        warning(
            "few_won_deals_are_negative",
            "more won deals of {quarter} take away from production than credit notes usually do; was a sign turned "
            "round? {sample}",
            no_rows("""
                select source, negative_count || ' of ' || won_count as negative,
                  negative_before || ' of ' || won_before as negative_before
                from (
                  select source, count(*) filter (where is_new and reporting_amount < 0) as negative_count,
                    count(*) filter (where is_new) as won_count,
                    count(*) filter (where not is_new and reporting_amount < 0) as negative_before,
                    count(*) filter (where not is_new) as won_before
                  from (
                    select source, reporting_amount, close_date >= {quarter_start} as is_new
                    from conformed.opportunities
                    where is_won and not is_deleted and not is_test and close_date <= {quarter_end})
                  group by source)
                where negative_count >= 5 and negative_count > {max_negative_share} * won_count
                  and negative_count * greatest(won_before, 1) > 3 * negative_before * won_count
            """),
        ),
        warning(
            "no_deal_is_the_quarter",
            "one deal is more than half of all production of {quarter}; is its amount typed right? {sample}",
            no_rows("""
                select source, source_id, reporting_amount from (
                  select *, sum(reporting_amount) over () as quarter_amount, count(*) over () as deal_count
                  from conformed.opportunities
                  where is_won and not is_deleted and not is_test and close_date <= {quarter_end}
                    and close_date >= {quarter_start})
                where deal_count >= 10 and reporting_amount > quarter_amount / 2
            """),
        ),
    ],
)

"""quarters: what must be true of the newest quarter beside the four before it, source by source."""

from __future__ import annotations

from data_quality.promise import Promise, critical, never_null, no_rows, suite, warning


def _middle_stays(asked: str) -> Promise:
    """The middle value of the newest quarter is near that of the four before, each of which has enough rows.

    Of one currency at a time: where a company comes to sell in yen, nothing has changed its unit.
    """
    return no_rows(f"""
        select entity, source, currency, newest_median, usual_median from (
          select entity, source, currency, median(value) filter (where months_ago < 3) as newest_median,
            median(value) filter (where months_ago between 3 and 14) as usual_median,
            least(count(value) filter (where months_ago < 3),
              count(value) filter (where months_ago between 3 and 5),
              count(value) filter (where months_ago between 6 and 8),
              count(value) filter (where months_ago between 9 and 11),
              count(value) filter (where months_ago between 12 and 14)) as least_count
          from {{judged}} where {asked} group by entity, source, currency)
        where least_count >= {{min_history_rows}} and usual_median > 0
          and newest_median not between usual_median / {{max_unit_factor}} and usual_median * {{max_unit_factor}}
    """)


SUITE = suite(
    "quarters",
    place="warehouse",
    table="conformed",
    description=(
        "One row per believed row of the last five quarters that happened on a day. What a source brings of the newest "
        "quarter is of the same kind as what it brought of the four before; asked only where each of those has "
        "enough rows."
    ),
    key=["source"],
    floor="something_happened",
    source="""
        select source, entity, cast(day as date) as day, who, value, currency,
          date_diff('month', cast(day as date), {quarter_end}) as months_ago
        from {dated_rows}
        where coalesce(day >= {quarter_end} - interval 16 month and cast(day as date) <= {quarter_end}, true)
    """,
    promises=[
        critical(
            "something_happened",
            "deals are known, but nothing happened in five quarters, neither a deal won nor anything else",
            # A company that has not won its first deal yet has nothing to show, and nothing is wrong with that.
            no_rows("""
                select source, 0 as row_count from deployment.capabilities
                where entity = 'opportunities' and not exists (select 1 from {judged})
                  and (not exists (select 1 from conformed.opportunities)
                    or exists (select 1 from conformed.opportunities where is_won and not is_deleted and not is_test))
            """),
        ),
        critical("source_is_named", "rows do not say which source they come from", never_null("source")),
        critical(
            "deals_of_the_quarter_are_there",
            "far fewer deals were won in {quarter} than in each of the four quarters before; is the export whole? "
            "{sample}",
            no_rows("""
                select entity, source, newest_rows, least_rows_before from (
                  select entity, source, count(*) filter (where months_ago < 3) as newest_rows,
                    least(count(*) filter (where months_ago between 3 and 5),
                      count(*) filter (where months_ago between 6 and 8),
                      count(*) filter (where months_ago between 9 and 11),
                      count(*) filter (where months_ago between 12 and 14)) as least_rows_before
                  from {judged} where entity = 'opportunities' group by entity, source)
                where least_rows_before >= {min_history_rows} and newest_rows < {min_quarter_share} * least_rows_before
            """),
        ),
        warning(
            "rows_of_the_quarter_are_there",
            "a source brought far less of {quarter} than of each of the four quarters before: {sample}",
            no_rows("""
                select entity, source, newest_rows, least_rows_before from (
                  select entity, source, count(*) filter (where months_ago < 3) as newest_rows,
                    least(count(*) filter (where months_ago between 3 and 5),
                      count(*) filter (where months_ago between 6 and 8),
                      count(*) filter (where months_ago between 9 and 11),
                      count(*) filter (where months_ago between 12 and 14)) as least_rows_before
                  from {judged} where entity <> 'opportunities' group by entity, source)
                where least_rows_before >= {min_history_rows} and newest_rows < {min_quarter_share} * least_rows_before
            """),
        ),
        # A company may close its books early: AdventureWorks sold nothing in December 2013.
        warning(
            "deals_are_won_in_every_month",
            "not one deal was won in a month of {quarter}, as never in the year before; is the export whole? {sample}",
            no_rows("""
                select entity, source, count(*) filter (where months_ago < 3) as months_with_rows from (
                  select entity, source, months_ago, count(*) as row_count from {judged}
                  where entity = 'opportunities' group by entity, source, months_ago)
                group by entity, source
                having count(*) filter (where months_ago between 3 and 14 and row_count >= {min_history_rows} / 2) = 12
                  and count(*) filter (where months_ago < 3) < 3
            """),
        ),
        warning(
            "every_month_has_rows",
            "a source brought nothing of a month of {quarter}, as never in the year before: {sample}",
            no_rows("""
                select entity, source, count(*) filter (where months_ago < 3) as months_with_rows from (
                  select entity, source, months_ago, count(*) as row_count from {judged}
                  where entity <> 'opportunities' group by entity, source, months_ago)
                group by entity, source
                having count(*) filter (where months_ago between 3 and 14 and row_count >= {min_history_rows} / 2) = 12
                  and count(*) filter (where months_ago < 3) < 3
            """),
        ),
        critical(
            "amounts_keep_their_unit",
            "the middle deal of {quarter} is more than {max_unit_factor} times that of the four quarters before, or "
            "less than the inverse; was the unit changed? {sample}",
            _middle_stays("entity = 'opportunities'"),
        ),
        warning(
            "other_amounts_keep_their_unit",
            "the middle amount, length or score of {quarter} is more than {max_unit_factor} times that of the four "
            "quarters before, or less than the inverse: {sample}; was the unit changed?",
            _middle_stays("entity <> 'opportunities'"),
        ),
        warning(
            "partners_of_the_quarter_are_there",
            "far fewer partners stand in what a source brought of {quarter} than in each of the four quarters before: "
            "{sample}",
            no_rows("""
                select entity, source, newest_partners, least_partners_before from (
                  select entity, source, count(distinct who) filter (where months_ago < 3) as newest_partners,
                    least(count(distinct who) filter (where months_ago between 3 and 5),
                      count(distinct who) filter (where months_ago between 6 and 8),
                      count(distinct who) filter (where months_ago between 9 and 11),
                      count(distinct who) filter (where months_ago between 12 and 14)) as least_partners_before
                  from {judged} group by entity, source)
                where least_partners_before >= {min_history_rows} / 2
                  and newest_partners < {min_quarter_share} * least_partners_before
            """),
        ),
        warning(
            "no_partner_is_the_quarter",
            "more than {max_one_partner_share} of what a source brought of {quarter} is one partner's, which had less "
            "than half of that share before: {sample}",
            no_rows("""
                select entity, source, who, newest_rows from (
                  select entity, source, who, count(*) filter (where months_ago < 3) as newest_rows,
                    count(*) filter (where months_ago between 3 and 14) as earlier_rows,
                    sum(count(*) filter (where months_ago < 3)) over (partition by entity, source) as newest_total,
                    sum(count(*) filter (where months_ago between 3 and 14)) over (partition by entity, source)
                      as earlier_total
                  from {judged} where who is not null group by entity, source, who)
                where least(newest_total, earlier_total) >= {min_history_rows}
                  and newest_rows > {max_one_partner_share} * newest_total
                  and earlier_rows < {max_one_partner_share} / 2 * earlier_total
            """),
        ),
        warning(
            "no_day_is_the_quarter",
            "more than {max_one_day_share} of what a source brought of {quarter} happened on one day; is it the day of "
            "a migration? {sample}",
            no_rows("""
                select entity, source, day, row_count from (
                  select entity, source, day, count(*) as row_count,
                    sum(count(*)) over (partition by entity, source) as total
                  from {judged} where months_ago < 3 group by entity, source, day)
                where total >= {min_history_rows} and row_count > {max_one_day_share} * total
            """),
        ),
        warning(
            "currencies_are_still_there",
            "a currency that was common in each of the four quarters before is not in {quarter}: {sample}",
            no_rows("""
                select entity, source, currency, count(*) as earlier_rows from {judged}
                where currency is not null group by entity, source, currency
                having count(*) filter (where months_ago < 3) = 0
                  and least(count(*) filter (where months_ago between 3 and 5),
                    count(*) filter (where months_ago between 6 and 8),
                    count(*) filter (where months_ago between 9 and 11),
                    count(*) filter (where months_ago between 12 and 14)) >= {min_history_rows} / 2
            """),
        ),
        warning(
            "regions_are_still_there",
            "a region that won deals in each of the four quarters before won none in {quarter}: {sample}",
            no_rows("""
                select deal.source, account.region, count(*) as earlier_deals
                from (
                  select source, account_id, date_diff('month', close_date, {quarter_end}) as months_ago
                  from conformed.opportunities
                  where is_won and not is_deleted and not is_test and close_date <= {quarter_end}) as deal
                inner join conformed.accounts as account
                  on account.source = deal.source and account.source_id = deal.account_id
                where account.region is not null group by deal.source, account.region
                having count(*) filter (where months_ago < 3) = 0
                  and least(count(*) filter (where months_ago between 3 and 5),
                    count(*) filter (where months_ago between 6 and 8),
                    count(*) filter (where months_ago between 9 and 11),
                    count(*) filter (where months_ago between 12 and 14)) >= {min_history_rows} / 2
            """),
        ),
        warning(
            "deals_still_name_partners",
            "the share of won deals with a partner fell to less than half of what it was in the four quarters before; "
            "were the partners of {quarter} exported? {sample}",
            no_rows("""
                select source, newest_with_partner, newest_deals, earlier_with_partner, earlier_deals from (
                  select deal.source,
                    count(*) filter (where months_ago < 3 and credit.opportunity_id is not null)
                      as newest_with_partner,
                    count(*) filter (where months_ago < 3) as newest_deals,
                    count(*) filter (where months_ago between 3 and 14 and credit.opportunity_id is not null)
                      as earlier_with_partner,
                    count(*) filter (where months_ago between 3 and 14) as earlier_deals
                  from (
                    select source, source_id, date_diff('month', close_date, {quarter_end}) as months_ago
                    from conformed.opportunities
                    where is_won and not is_deleted and not is_test and close_date <= {quarter_end}
                      and date_diff('month', close_date, {quarter_end}) <= 14) as deal
                  left join (
                    select distinct source, opportunity_id from conformed.opportunity_partners
                    where not is_deleted) as credit
                    on credit.source = deal.source and credit.opportunity_id = deal.source_id
                  group by deal.source)
                where least(newest_deals, earlier_deals) >= {min_history_rows}
                  and newest_with_partner / newest_deals < 0.5 * earlier_with_partner / earlier_deals
            """),
        ),
    ],
)

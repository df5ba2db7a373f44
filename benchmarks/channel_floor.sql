-- The floor of the generated channel: what policies/partner-programme.yml makes of a CRM and an account-mapping
-- platform, straight from the lake's Parquet, for every partner and quarter.
--
-- Plain DuckDB, written for speed and for a reader. It believes every row: each id stands once, each partner stands on
-- a deal once, nothing is out of range, lists have three names. One policy, primary attribution, calendar quarters, no
-- portal, no earlier release, and no reason per number. Variables, set by the caller:
--
--   folder              of the lake: crm/<table>/*/*.parquet and account_mapping/<table>/*/*.parquet
--   exported_on         day of the export
--   last_quarter        first day of the quarter the run is for
--   history_quarters    how many quarters end with it
--   rates               list of {currency, valid_from, valid_to, rate}, one per currency and period, valid_to excluded
--   pseudo_partners     list of names, partner numbers or account ids in lower case
--   icp_industries      list in lower case
--   icp_employees       least number of employees

create or replace temp macro quarter_of(day) as (
    year(day) * 4 + quarter(day) + getvariable('history_quarters')
    - year(getvariable('last_quarter')) * 4 - quarter(getvariable('last_quarter'))
)::integer;
create or replace temp macro is_in_history(number) as number between 1 and getvariable('history_quarters');

-- Half up, from a double that is cut off behind its tenth digit.
create or replace temp macro rounded(number, digits) as round(number::decimal(28, 10), digits);
create or replace temp macro between_bars(number, low, high) as
    rounded(greatest(0, least(1, (number::double - low) / (high - low)::double)) * 100::double, 2)::decimal(18, 6);

create or replace temp table accounts as
select
    row_number() over ()::integer as account,
    source_id,
    domain,
    region,
    partner_number,
    quarter_of(left(created_at, 10)::date) as joined_in,
    is_partner = 'true' and not list_has_any(
        getvariable('pseudo_partners'), [lower(trim(name)), lower(trim(partner_number)), lower(source_id)]
    ) as is_partner,
    list_contains(getvariable('icp_industries'), lower(trim(industry)))
    and coalesce(employees::bigint >= getvariable('icp_employees'), false) as is_icp
from read_parquet(getvariable('folder') || '/crm/accounts/*/*.parquet');

create or replace temp table partners as
select
    row_number() over (order by partner_number)::integer as partner, source_id, domain, region, partner_number, joined_in
from accounts
where is_partner;

-- Who is who on the platform: the partner of that domain, if one alone has it; else somebody the CRM does not know.
create or replace temp table platform as
with owners as (
    select domain, any_value(partner) as partner from partners group by domain having count(*) = 1
)
select
    m.source_id,
    m.sharing_level,
    coalesce(p.partner, -row_number() over ())::integer as partner
from read_parquet(getvariable('folder') || '/account_mapping/partners/*/*.parquet') as m
left join owners as p on p.domain = m.domain;

---------------------------------------------------------------- production

create or replace temp table deals as
select
    row_number() over ()::integer as deal,
    o.source_id,
    o.is_closed = 'true' as is_closed,
    o.is_won = 'true' as is_won,
    quarter_of(o.close_date::date) as closed_in,
    quarter_of(left(o.created_at, 10)::date) as created_in,
    (o.amount::decimal(28, 4) * r.rate)::decimal(18, 4) as amount
from read_parquet(getvariable('folder') || '/crm/opportunities/*/*.parquet') as o
left join (select unnest(getvariable('rates'), recursive := true)) as r
    on r.currency = o.currency
    and o.close_date::date >= r.valid_from
    and o.close_date::date < r.valid_to
where o.is_deleted = 'false';

create or replace temp table credits as
select
    d.deal,
    p.partner,
    case c.role when 'sourced' then 1 when 'fulfilled' then 2 when 'influenced' then 4 else 3 end as role_rank,
    c.is_primary = 'true' as is_primary
from read_parquet(getvariable('folder') || '/crm/opportunity_partners/*/*.parquet') as c
inner join partners as p on p.source_id = c.account_id
inner join deals as d on d.source_id = c.opportunity_id
where c.is_deleted = 'false';

-- The primary partner of a deal holds it, else the one with the strongest role; who influenced it shares it equally, in
-- whole ten-thousandths, beside that.
create or replace temp table measures as
with holders as (
    select
        deal,
        min((case when is_primary then 0 else 10 end + role_rank)::bigint * 1000000000 + partner) as holder,
        count(*) filter (role_rank = 4) as influencers
    from credits
    group by deal
),
held as (
    select
        (h.holder % 1000000000)::integer as partner,
        h.holder // 1000000000 % 10 = 1 as is_sourced,
        d.*
    from holders as h
    inner join deals as d on d.deal = h.deal
),
shared as (
    select
        c.partner,
        d.*,
        h.influencers,
        (d.amount * 10000)::hugeint as units,
        row_number() over (partition by c.deal order by c.is_primary desc, c.partner) as place
    from credits as c
    inner join holders as h on h.deal = c.deal
    inner join deals as d on d.deal = c.deal
    where c.role_rank = 4
),
influenced as (
    select
        *,
        case
            when influencers = 1 then amount
            else ((units * place // influencers - units * (place - 1) // influencers)::decimal(18, 0) * 0.0001)
        end::decimal(18, 4) as share
    from shared
),
counted as (
    select
        partner, closed_in as quarter,
        sum(amount) filter (is_won) as won_amount,
        sum(amount) filter (is_won and is_sourced) as sourced_won_amount,
        count(*) filter (is_won) as won_deals,
        count(*) as decided_deals
    from held
    where is_closed and is_in_history(closed_in)
    group by all
    union all by name
    select partner, created_in as quarter, sum(amount) filter (is_sourced) as sourced_pipeline_amount
    from held
    where is_in_history(created_in)
    group by all
    union all by name
    select partner, closed_in as quarter, sum(share) filter (is_won) as influenced_won_amount
    from influenced
    where is_closed and is_in_history(closed_in)
    group by all
    union all by name
    select partner, created_in as quarter, sum(share) as influenced_pipeline_amount
    from influenced
    where is_in_history(created_in)
    group by all
)
select
    partner,
    quarter,
    coalesce(sum(won_amount), 0) as won_amount,
    coalesce(sum(sourced_won_amount), 0) as sourced_won_amount,
    coalesce(sum(influenced_won_amount), 0) as influenced_won_amount,
    coalesce(sum(sourced_pipeline_amount), 0) as sourced_pipeline_amount,
    coalesce(sum(influenced_pipeline_amount), 0) as influenced_pipeline_amount,
    coalesce(sum(won_deals), 0)::integer as won_deals,
    coalesce(sum(decided_deals), 0)::integer as decided_deals
from counted
group by all;

-- Who stands in a quarter: partners from when they joined or first produced, none before the first production of all.
create or replace temp table roster as
with start as (
    select coalesce(min(quarter), getvariable('history_quarters')) as start from measures
)
select
    p.partner, p.partner_number, p.region, s.start,
    greatest(s.start, least(m.seen_in, case
        when p.joined_in is null or p.joined_in < 1 then s.start
        when is_in_history(p.joined_in) then p.joined_in
    end))::integer as first_quarter
from partners as p
cross join start as s
left join (select partner, min(quarter) as seen_in from measures group by all) as m on m.partner = p.partner
where coalesce(m.seen_in, p.joined_in, 0) <= getvariable('history_quarters');

---------------------------------------------------------------- reach

-- A partner and an account it shares: since when, and in which lists. What was matched before the history was always
-- known; what will be matched after it is not known yet.
create or replace temp table pairs as
select
    m.partner,
    a.account,
    any_value(a.is_icp) as is_icp,
    min(greatest(quarter_of(left(o.matched_at, 10)::date), 1)) as known_in,
    bool_or(o.own_population = 'Customers') as is_customer,
    bool_or(o.own_population = 'Prospects' and o.partner_population = 'Customers') as is_door
from read_parquet(getvariable('folder') || '/account_mapping/account_overlaps/*/*.parquet') as o
inner join platform as m on m.source_id = o.partner_id and m.sharing_level = 'full'
inner join accounts as a on a.source_id = o.own_account_id
where quarter_of(left(o.matched_at, 10)::date) <= getvariable('history_quarters')
group by m.partner, a.account;

-- Reached through one partner alone: from when the first knows the account until a second one does.
create or replace temp table reach as
with firsts as (
    select account, arg_min(partner, known_in) as partner, min(known_in, 2) as known_in from pairs group by account
),
alone as (
    select partner, known_in[1] as since, known_in[2] as until
    from firsts
    where known_in[2] is null or known_in[2] > known_in[1]
),
counted as (
    select
        partner, known_in as quarter,
        count(*) as overlap_accounts,
        count(*) filter (is_icp) as icp_overlap_accounts,
        count(*) filter (is_door and not is_customer) as whitespace_accounts
    from pairs
    group by all
    union all by name
    select partner, since as quarter, count(*) as unique_reach_accounts from alone group by all
    union all by name
    select partner, until as quarter, -count(*) as unique_reach_accounts from alone where until is not null group by all
)
select
    c.partner,
    -- What was known before a partner stood on the roster is known of it when it does.
    greatest(c.quarter, r.first_quarter) as quarter,
    coalesce(sum(c.overlap_accounts), 0) as overlap_accounts,
    coalesce(sum(c.icp_overlap_accounts), 0) as icp_overlap_accounts,
    coalesce(sum(c.whitespace_accounts), 0) as whitespace_accounts,
    coalesce(sum(c.unique_reach_accounts), 0) as unique_reach_accounts
from counted as c
inner join roster as r on r.partner = c.partner
group by all;

-- Counts carry no day: they hold from the last quarter that had ended when they were taken.
create or replace temp table counts as
select
    m.partner,
    sum(c.account_count::bigint) as overlap_accounts,
    coalesce(sum(c.account_count::bigint) filter (
        c.own_population = 'Prospects' and c.partner_population = 'Customers'
    ), 0) as whitespace_accounts
from read_parquet(getvariable('folder') || '/account_mapping/overlap_counts/*/*.parquet') as c
inner join platform as m on m.source_id = c.partner_id and m.sharing_level = 'counts_only'
group by all;

---------------------------------------------------------------- every partner in every quarter, and its values

create or replace temp table history as
with present as (
    select r.*, q.quarter::integer as quarter, f.partner is not null as shares_accounts
    from roster as r
    inner join range(1, getvariable('history_quarters') + 1) as q (quarter) on q.quarter >= r.first_quarter
    left join platform as f on f.partner = r.partner and f.sharing_level = 'full'
),
summed as (
    select
        r.*,
        coalesce(m.sourced_won_amount, 0)::decimal(28, 4) as sourced_won_in_quarter,
        sum(coalesce(m.sourced_won_amount, 0)) over last_four as sourced_won_amount,
        sum(coalesce(m.influenced_won_amount, 0)) over last_four as influenced_won_amount,
        sum(coalesce(m.sourced_pipeline_amount, 0)) over last_four as sourced_pipeline_amount,
        sum(coalesce(m.influenced_pipeline_amount, 0)) over last_four as influenced_pipeline_amount,
        sum(coalesce(m.won_deals, 0)) over last_four as won_deals,
        sum(coalesce(m.decided_deals, 0)) over last_four as decided_deals,
        count(*) filter (m.won_deals > 0) over last_four as active_quarters,
        case when r.quarter - 7 >= r.start then sum(coalesce(m.sourced_won_amount, 0)) over four_before end
            as sourced_won_before,
        sum(coalesce(o.overlap_accounts, 0)) over so_far as overlap_accounts,
        sum(coalesce(o.icp_overlap_accounts, 0)) over so_far as icp_overlap_accounts,
        sum(coalesce(o.whitespace_accounts, 0)) over so_far as whitespace_accounts,
        sum(coalesce(o.unique_reach_accounts, 0)) over so_far as unique_reach_accounts
    from present as r
    left join measures as m on m.partner = r.partner and m.quarter = r.quarter
    left join reach as o on o.partner = r.partner and o.quarter = r.quarter
    window
        last_four as (partition by r.partner order by r.quarter rows 3 preceding),
        four_before as (partition by r.partner order by r.quarter rows between 7 preceding and 4 preceding),
        so_far as (partition by r.partner order by r.quarter rows unbounded preceding)
)
select
    s.* exclude (overlap_accounts, icp_overlap_accounts, whitespace_accounts, unique_reach_accounts, shares_accounts),
    case
        when s.shares_accounts then s.overlap_accounts
        when s.quarter >= quarter_of(getvariable('exported_on')) - 1 then c.overlap_accounts
    end::bigint as overlap_accounts,
    case when s.shares_accounts then s.icp_overlap_accounts end::bigint as icp_overlap_accounts,
    case
        when s.shares_accounts then s.whitespace_accounts
        when s.quarter >= quarter_of(getvariable('exported_on')) - 1 then c.whitespace_accounts
    end::bigint as whitespace_accounts,
    case when s.shares_accounts then s.unique_reach_accounts end::bigint as unique_reach_accounts
from summed as s
left join counts as c on c.partner = s.partner;

---------------------------------------------------------------- points and totals

create or replace temp table scores as
with ranked as (
    select
        *,
        count(*) over of_quarter as roster_count,
        count(*) over of_region as peer_count,
        rank() over (of_quarter order by sourced_won_amount) as won_rank,
        rank() over (of_region order by sourced_won_amount) as won_peer_rank,
        rank() over (of_quarter order by influenced_won_amount) as influence_rank,
        count(icp_overlap_accounts) over of_quarter as icp_count,
        rank() over (of_quarter order by icp_overlap_accounts nulls last) as icp_rank,
        count(whitespace_accounts) over of_quarter as whitespace_count,
        rank() over (of_quarter order by whitespace_accounts nulls last) as whitespace_rank,
        rounded(won_deals::double / nullif(decided_deals, 0), 6) as win_rate,
        case
            when sourced_won_before > 0
                then rounded(sourced_won_amount::double / sourced_won_before::double - 1, 6)
        end as growth_rate
    from history
    window of_quarter as (partition by quarter), of_region as (partition by quarter, region)
),
pointed as (
    select
        *,
        rounded((
            peer_count / (peer_count + 20) * case when peer_count > 1 then (won_peer_rank - 1) / (peer_count - 1) else 0.5 end
            + 20 / (peer_count + 20) * case when roster_count > 1 then (won_rank - 1) / (roster_count - 1) else 0.5 end
        ) * 100, 2)::decimal(18, 6) as won,
        rounded(case when roster_count > 1 then (influence_rank - 1) / (roster_count - 1) else 0.5 end * 100, 2)
            ::decimal(18, 6) as influence,
        case when decided_deals >= 5 then between_bars(win_rate, 0.1, 0.5) when decided_deals > 0 then 0 end as wins,
        between_bars(active_quarters, 0, 4) as steadiness,
        case
            when growth_rate is null then null
            when won_deals < 2 then 0
            else between_bars(growth_rate, -0.5, 0.5)
        end as growth,
        case
            when icp_overlap_accounts is not null
                then rounded(case when icp_count > 1 then (icp_rank - 1) / (icp_count - 1) else 0.5 end * 100, 2)
        end::decimal(18, 6) as ideal_overlap,
        case
            when whitespace_accounts is not null then rounded(
                case when whitespace_count > 1 then (whitespace_rank - 1) / (whitespace_count - 1) else 0.5 end * 100, 2
            )
        end::decimal(18, 6) as whitespace
    from ranked
),
weighed as (
    select
        *,
        (
            0.40 + 0.10 + 0.15 + case when wins is null then 0 else 0.20 end + case when growth is null then 0 else 0.15 end
        )::double as performance_weight,
        (
            case when ideal_overlap is null then 0 else 0.65 end + case when whitespace is null then 0 else 0.35 end
        )::double as potential_weight,
        case when ideal_overlap is null and whitespace is null then 0.45 else 0.80 end::double as known_weight
    from pointed
)
select
    * exclude (performance_weight, potential_weight, known_weight),
    rounded(
        coalesce(ideal_overlap::double * 0.65 / nullif(potential_weight, 0), 0)
        + coalesce(whitespace::double * 0.35 / nullif(potential_weight, 0), 0),
        2
    ) as potential_or_zero,
    case when potential_weight > 0 then potential_or_zero end::decimal(18, 6) as potential,
    rounded(
        won::double * 0.40 / performance_weight * 0.45 / known_weight
        + influence::double * 0.10 / performance_weight * 0.45 / known_weight
        + coalesce(wins::double * 0.20 / performance_weight * 0.45 / known_weight, 0)
        + steadiness::double * 0.15 / performance_weight * 0.45 / known_weight
        + coalesce(growth::double * 0.15 / performance_weight * 0.45 / known_weight, 0)
        + coalesce(ideal_overlap::double * 0.65 / nullif(potential_weight, 0) * 0.35 / known_weight, 0)
        + coalesce(whitespace::double * 0.35 / nullif(potential_weight, 0) * 0.35 / known_weight, 0),
        2
    )::decimal(18, 6) as total_score
from weighed;

---------------------------------------------------------------- levels

-- The best level whose bars hold, with bars that stand `shift` higher or lower: 1 is the top. Without a portal nobody
-- has certified people, so platinum is out of reach and gold needs both of its other two.
create or replace temp macro segment_at(total, potential, shift) as case
    when total >= 70 + shift and potential >= 55 + shift then 1
    when total >= 65 + shift then 2
    else 3
end;
create or replace temp macro tier_at(total, sourced_won, deals, shift) as case
    when total >= 65 + shift and sourced_won >= 100000 and deals >= 8 then 2
    when total >= 40 + shift and sourced_won > 0 then 3
    else 4
end;

-- What the level could be if whatever is unknown were good enough: nobody falls below that for what nobody knows.
create or replace temp macro segment_possible_at(total, potential, shift) as case
    when total >= 70 + shift and coalesce(potential >= 55 + shift, true) then 1
    when total >= 65 + shift then 2
    else 3
end;
create or replace temp macro tier_possible_at(total, sourced_won, deals, shift) as case
    when total >= 70 + shift and sourced_won >= 300000 then 1
    when total >= 65 + shift and (sourced_won >= 100000 or deals >= 8) then 2
    when total >= 40 + shift and sourced_won > 0 then 3
    else 4
end;

create or replace temp table reviews as
with reached as (
    select
        partner, partner_number, quarter, total_score,
        segment_at(total_score, potential, 0) as reached,
        segment_at(total_score, potential, 2.5) as raised,
        segment_at(total_score, potential, -2.5) as lowered,
        segment_possible_at(total_score, potential, -2.5) as possible
    from scores
),
-- Twelve are strategic and thirty managed, by score; who does not fit in goes one level down.
first_cut as (
    select
        *,
        case
            when reached = 1
                and row_number() over (partition by quarter, reached order by total_score desc, partner_number) > 12 then 2
            else reached
        end as cut
    from reached
),
second_cut as (
    select
        *,
        case
            when cut = 2 and row_number() over (partition by quarter, cut order by total_score desc, partner_number) > 30
                then 3
            else cut
        end as earned
    from first_cut
)
select
    'segment' as ladder, partner, quarter, earned,
    greatest(raised, earned) as raised,
    case when earned > reached then greatest(lowered, earned) else lowered end as lowered,
    case when earned > reached then greatest(possible, earned) else possible end as possible
from second_cut
union all
select
    'tier', partner, quarter,
    tier_at(total_score, sourced_won_amount, won_deals, 0),
    tier_at(total_score, sourced_won_amount, won_deals, 2.5),
    tier_at(total_score, sourced_won_amount, won_deals, -2.5),
    tier_possible_at(total_score, sourced_won_amount, won_deals, -2.5)
from scores;

-- Review by review: up one level above the raised bar, down one at the second review in a row below the lowered one,
-- unless the fall rests on what is unknown.
-- Each step adds two letters to `trail`: the level held and what happened.
create or replace temp table moves as
with careers as (
    select
        ladder, partner, min(quarter) as first_quarter,
        list_reduce(
            list({
                'earned': earned, 'raised': raised, 'lowered': lowered, 'possible': possible, 'held': earned, 'below': 0, 'trail': earned || 'e'
            } order by quarter),
            lambda before, now: case
                when now.raised < before.held then {
                    'earned': 0, 'raised': 0, 'lowered': 0, 'possible': 0,
                    'held': greatest(now.raised, before.held - 1), 'below': 0,
                    'trail': before.trail || greatest(now.raised, before.held - 1) || 'p'
                }
                when now.lowered > before.held and now.possible <= before.held then {
                    'earned': 0, 'raised': 0, 'lowered': 0, 'possible': 0, 'held': before.held, 'below': before.below,
                    'trail': before.trail || before.held || 'f'
                }
                when now.lowered > before.held and before.below = 1 then {
                    'earned': 0, 'raised': 0, 'lowered': 0, 'possible': 0,
                    'held': least(now.lowered, before.held + 1), 'below': 0,
                    'trail': before.trail || least(now.lowered, before.held + 1) || 'd'
                }
                when now.lowered > before.held then {
                    'earned': 0, 'raised': 0, 'lowered': 0, 'possible': 0, 'held': before.held, 'below': 1,
                    'trail': before.trail || before.held || 'w'
                }
                else {
                    'earned': 0, 'raised': 0, 'lowered': 0, 'possible': 0, 'held': before.held, 'below': 0,
                    'trail': before.trail || before.held || 'k'
                }
            end
        ).trail as trail
    from reviews
    group by ladder, partner
)
select
    r.ladder, r.partner, r.quarter, r.earned,
    substr(c.trail, 2 * (r.quarter - c.first_quarter) + 1, 2) as step
from reviews as r
inner join careers as c on c.ladder = r.ladder and c.partner = r.partner;

---------------------------------------------------------------- results

create or replace temp macro label_of(number) as (
    year(getvariable('last_quarter') - to_months(3 * (getvariable('history_quarters') - number)))
    || 'Q' || quarter(getvariable('last_quarter') - to_months(3 * (getvariable('history_quarters') - number)))
);

create or replace table partner_quarters as
select
    partner_number, label_of(quarter) as quarter,
    sourced_won_in_quarter, sourced_won_amount, influenced_won_amount, sourced_pipeline_amount,
    influenced_pipeline_amount, won_deals, decided_deals, active_quarters, win_rate, growth_rate,
    overlap_accounts, icp_overlap_accounts, whitespace_accounts, unique_reach_accounts,
    won, influence, wins, steadiness, growth, ideal_overlap, whitespace,
    potential, total_score
from scores;

create or replace table partner_level_history as
select
    p.partner_number,
    label_of(m.quarter) as quarter,
    m.ladder,
    case m.ladder
        when 'segment' then ['strategic', 'managed', 'self_serve']
        else ['platinum', 'gold', 'silver', 'registered']
    end as levels,
    levels[m.earned] as earned_level,
    levels[left(m.step, 1)::integer] as held_level,
    case right(m.step, 1)
        when 'e' then 'entered' when 'p' then 'promoted' when 'd' then 'demoted' when 'w' then 'on_watch' when 'f' then 'frozen'
        else 'kept'
    end as action
from moves as m
inner join partners as p on p.partner = m.partner;

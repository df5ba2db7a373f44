-- The floor: what policies/adventureworks-baseline.yml releases, straight from the three files of a Salesforce export.
--
-- Plain DuckDB, written for speed and for a reader, not for other engines, other vendors, other policies or a reason
-- per number. It believes every row: where the project would quarantine one the two differ, and `benchmarks.run` says
-- so. Calendar quarters, one source, no earlier release. Variables, set by the caller:
--
--   folder              of Account.csv, Opportunity.csv and OpportunityPartner.csv
--   last_quarter        first day of the quarter the run is for
--   history_quarters    how many quarters end with it
--   reporting_currency
--   rates               list of {currency, valid_from, valid_to, rate}, one per currency and period, valid_to excluded
--   pseudo_partners     list of names, partner numbers or account ids in lower case

create or replace temp table partners as
select
    Id as account_id,
    coalesce(AccountNumber, Id) as partner_number,
    date_trunc('quarter', left(CreatedDate, 10)::date)::date as joined_in
from read_csv(getvariable('folder') || '/Account.csv', all_varchar = true)
where IsPartner = 'true'
    and IsDeleted = 'false'
    and not list_has_any(getvariable('pseudo_partners'), [lower(trim(Name)), lower(trim(AccountNumber)), lower(Id)]);

-- What a deal is worth and the quarters it counts in; an export of one currency has no column for it.
create or replace temp table deals as
select
    o.Id as deal,
    o.IsClosed = 'true' as is_closed,
    o.IsWon = 'true' as is_won,
    date_trunc('quarter', o.CloseDate::date)::date as closed_in,
    date_trunc('quarter', left(o.CreatedDate, 10)::date)::date as created_in,
    (o.Amount::decimal(28, 4) * r.rate)::decimal(18, 4) as amount
from (
    select null::varchar as CurrencyIsoCode where false
    union all by name
    from read_csv(getvariable('folder') || '/Opportunity.csv', all_varchar = true)
) as o
left join (select unnest(getvariable('rates'), recursive := true)) as r
    on r.currency = coalesce(o.CurrencyIsoCode, getvariable('reporting_currency'))
    and o.CloseDate::date >= r.valid_from
    and o.CloseDate::date < r.valid_to
where o.IsDeleted = 'false';

-- A partner's strongest role on a deal. The first partner of a deal holds its production, whoever else stands on it
-- is seen at work all the same.
create or replace temp table activity as
with roles as (
    select
        c.OpportunityId as deal,
        p.partner_number,
        case
            when lower(trim(c.Role)) in ('var/reseller', 'reseller', 'referral', 'referral partner', 'sourced') then 1
            when lower(trim(c.Role)) in (
                'distributor', 'fulfilled', 'implementation partner', 'dealer', 'lender', 'supplier'
            ) then 2
            when lower(trim(c.Role)) in (
                'system integrator', 'consultant', 'agency', 'advertiser', 'influencer', 'influenced',
                'technology partner'
            ) then 4
            else 3
        end as role_rank,
        c.IsPrimary = 'true' as is_primary
    from read_csv(getvariable('folder') || '/OpportunityPartner.csv', all_varchar = true) as c
    inner join partners as p on p.account_id = c.AccountToId
    where c.IsDeleted = 'false'
),
pairs as (
    select
        deal,
        partner_number,
        min(role_rank) as role_rank,
        bool_or(is_primary) as is_primary
    from roles
    group by all
),
firsts as (
    select deal, min((not is_primary, role_rank, partner_number)) as first_pair
    from pairs
    group by deal
),
credits as (
    select
        p.partner_number,
        d.*,
        f.first_pair[3] = p.partner_number and p.role_rank = 1 and d.is_closed and d.is_won as is_sourced_won,
        d.is_closed
            and d.closed_in between b.first_quarter and b.last_quarter as counts_when_closed,
        d.created_in between b.first_quarter and b.last_quarter as counts_when_created
    from pairs as p
    inner join firsts as f on f.deal = p.deal
    inner join deals as d on d.deal = p.deal
    cross join (
        select
            getvariable('last_quarter') as last_quarter,
            (getvariable('last_quarter') - to_months(3 * (getvariable('history_quarters') - 1)))::date as first_quarter
    ) as b
)
select
    partner_number,
    closed_in as quarter,
    sum(amount) filter (is_sourced_won and counts_when_closed) as amount,
    least(min(closed_in) filter (counts_when_closed), min(created_in) filter (counts_when_created)) as seen_in
from credits
where counts_when_closed or counts_when_created
group by all;

-- Every partner in every quarter since it joined or was first seen, and what it won in that quarter and three before.
create or replace temp table history as
with first_seen as (
    select partner_number, min(seen_in) as seen_in from activity group by all
),
bounds as (
    select
        coalesce(min(seen_in), getvariable('last_quarter')) as start,
        (getvariable('last_quarter') - to_months(3 * (getvariable('history_quarters') - 1)))::date as spine_start
    from first_seen
),
quarters as (
    select unnest(range(start, getvariable('last_quarter') + interval 1 day, interval 3 months))::date as quarter
    from bounds
),
roster as (
    select p.partner_number, q.quarter, q.quarter >= b.start + interval 9 months as is_full
    from partners as p
    left join first_seen as s using (partner_number)
    cross join bounds as b
    inner join quarters as q
        on q.quarter >= least(s.seen_in, case
            when p.joined_in is null or p.joined_in < b.spine_start then b.start
            when p.joined_in <= getvariable('last_quarter') then p.joined_in
        end)
),
won as (
    select
        r.partner_number,
        r.quarter,
        case when r.is_full then sum(coalesce(a.amount, 0)) over last_four end as amount
    from roster as r
    left join activity as a on a.partner_number = r.partner_number and a.quarter = r.quarter
    window last_four as (partition by r.partner_number order by r.quarter rows 3 preceding)
),
counted as (
    select quarter, count(*) as population from won where amount > 0 group by all
),
placed as (
    select
        w.*,
        c.population,
        case when w.amount > 0 then row_number() over (
            partition by w.quarter order by w.amount > 0 desc nulls last, w.amount desc, w.partner_number
        ) end as place
    from won as w
    left join counted as c on c.quarter = w.quarter
),
levelled as (
    select
        *,
        case
            when place <= ceil(0.05 * population) then 1
            when place <= ceil(0.20 * population) then 2
            when place <= ceil(0.50 * population) then 3
            when place is not null then 4
            else 5
        end as rank,
        lag(rank) over (partition by partner_number order by quarter) as previous
    from placed
)
select
    partner_number,
    year(quarter) || 'Q' || quarter(quarter) as quarter,
    amount::decimal(28, 4) as amount,
    place,
    population,
    ['T1', 'T2', 'T3', 'T4', 'none'][rank] as level,
    ['T1', 'T2', 'T3', 'T4', 'none'][previous] as previous_level,
    case
        when rank = 5 and coalesce(previous, 5) = 5 then 'outside'
        when coalesce(previous, 5) = 5 then 'entered'
        when rank = 5 then 'exited'
        when rank < previous then 'promoted'
        when rank > previous then 'demoted'
        else 'kept'
    end as action
from levelled;

create or replace table partner_level_history as
select partner_number, quarter, level as earned_level, level as held_level, previous_level, action from history;

create or replace table partner_segments as
select partner_number, level as tier, action as tier_action, amount as sourced_won_amount
from history
where quarter = year(getvariable('last_quarter')) || 'Q' || quarter(getvariable('last_quarter'));

create or replace table partner_gates as
select
    h.partner_number,
    h.quarter,
    l.level,
    case
        when l.share is null then 0
        when h.place is not null then ceil(l.share * h.population)
    end::decimal(28, 6) as needed_value,
    case when l.share is null then h.amount else h.place end::decimal(28, 6) as actual_value,
    case when l.share is not null and h.place is not null then h.population end as population,
    coalesce(case when l.share is null then h.amount > 0 else h.place <= ceil(l.share * h.population) end, false) as has_passed
from history as h
cross join (values ('T1', 0.05), ('T2', 0.20), ('T3', 0.50), ('T4', null)) as l (level, share);

create or replace table segment_summary as
with counted as (
    select quarter, level, count(*) as partner_count, sum(amount) as amount from history group by all
),
filled as (
    select
        q.quarter,
        l.level,
        coalesce(c.partner_count, 0) as partner_count,
        case when c.level is null then 0 else c.amount end::decimal(28, 4) as sourced_won_amount
    from (select distinct quarter from counted) as q
    cross join (values ('T1'), ('T2'), ('T3'), ('T4'), ('none')) as l (level)
    left join counted as c on c.quarter = q.quarter and c.level = l.level
)
select
    *,
    partner_count / sum(partner_count) over of_quarter as partner_share,
    sourced_won_amount::double / nullif(sum(sourced_won_amount) over of_quarter, 0)::double as production_share
from filled
window of_quarter as (partition by quarter);

create or replace table segment_movement as
select
    quarter,
    coalesce(previous_level, '(new)') as from_level,
    level as to_level,
    action,
    count(*) as partner_count,
    sum(amount)::decimal(28, 4) as sourced_won_amount
from history
group by all;

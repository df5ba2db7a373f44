{{ config(alias='partner_overlaps', materialized=table_if_offered(['account_overlaps', 'overlap_counts'])) }}

{#-
  What account mapping says of a partner at the end of a quarter. A partner without a row shares nothing that anybody
  could count: unknown, not zero. Lists are those of the newest export; what an account was before, platforms do not say.
-#}
with pairs as (
    select * from {{ ref('int_shared_accounts') }}
),

sharing as (
    select partner_id from {{ ref('int_partner_knowledge') }} where entity = 'account_overlaps'
),

quarters as (
    select * from {{ ref('stg_deployment__quarters') }}
),

ideal as (
    select
        a.source || '/' || a.source_id as account_key,
        case when
            (r.employees_min is null or a.employees >= r.employees_min)
            and (r.employees_max is null or a.employees <= r.employees_max)
            {%- for attribute in ['industry', 'region', 'country'] %}
            and (not r.asks_{{ attribute }} or v_{{ attribute }}.value is not null)
            {%- endfor %}
            then 1 else 0
        end as is_icp
    from {{ ref('int_accounts') }} as a
    cross join {{ ref('stg_deployment__icp_rule') }} as r
    {%- for attribute in ['industry', 'region', 'country'] %}
    left join {{ ref('stg_deployment__icp_values') }} as v_{{ attribute }}
        on v_{{ attribute }}.attribute = '{{ attribute }}' and v_{{ attribute }}.value = lower(trim(a.{{ attribute }}))
    {%- endfor %}
    where r.has_rule and not a.is_deleted and not a.is_test
),

icp as (
    select account_key, max(is_icp) as is_icp from ideal group by account_key
),

-- An account is reached through one partner alone from the day that partner knows it until a second one does.
reached as (
    select
        account_key, count(*) as partner_count, min(first_index) as first_index,
        min_by(partner_id, first_index) as partner_id
    from pairs
    group by account_key
),

joined_later as (
    select p.account_key, min(p.first_index) as second_index
    from pairs as p
    inner join reached as r on p.account_key = r.account_key and p.partner_id <> r.partner_id
    where r.partner_count > 1
    group by p.account_key
),

alone as (
    select r.partner_id, r.first_index, j.second_index
    from reached as r
    left join joined_later as j on r.account_key = j.account_key
    where j.second_index is null or j.second_index > r.first_index
),

-- Open deals with the shared accounts, from when both the deal and the overlap are there until the deal is closed.
-- Only where a policy asks for the amount, because it meets every deal of every shared account.
deals as (
    select
        o.source || '/' || o.account_id as account_key,
        o.reporting_amount,
        case when o.created_at is null or cast(o.created_at as date) < b.first_day then 1 else c.quarter_index end as created_index,
        case when o.is_closed then case when o.close_date < b.first_day then 0 else e.quarter_index end end as closed_index
    from {{ ref('int_opportunities') }} as o
    cross join (select min(quarter_start) as first_day from quarters) as b
    left join {{ ref('stg_deployment__days') }} as c on cast(o.created_at as date) = c.day
    left join {{ ref('stg_deployment__days') }} as e on o.close_date = e.day
    where not o.is_deleted and not o.is_test and o.reporting_amount is not null
        and exists (select 1 from {{ ref('stg_policy__metric_uses') }} as u where u.source_metric = 'overlap_open_amount')
),

open_deals as (
    select
        p.partner_id, d.reporting_amount, greatest(p.first_index, d.created_index) as from_index, d.closed_index
    from pairs as p
    inner join deals as d on p.account_key = d.account_key
    where d.created_index is not null
        and exists (select 1 from {{ ref('stg_policy__metric_uses') }} as u where u.source_metric = 'overlap_open_amount')
        and (d.closed_index is null or d.closed_index > greatest(p.first_index, d.created_index))
),

counted as (
    select
        p.partner_id,
        p.first_index as quarter_index,
        count(*) as overlap_accounts,
        sum(coalesce(i.is_icp, 0)) as icp_overlap_accounts,
        cast(0 as bigint) as unique_reach_accounts,
        cast(0 as decimal(28,4)) as overlap_open_amount
        {%- for column, condition in overlap_counts_of_accounts() %},
        sum(case when {{ condition }} then 1 else 0 end) as {{ column }}
        {%- endfor %}
    from pairs as p
    left join icp as i on p.account_key = i.account_key
    group by p.partner_id, p.first_index
),

further as (
    select partner_id, first_index as quarter_index, 1 as reach_change, cast(0 as decimal(28,4)) as amount_change from alone
    union all
    select partner_id, second_index, -1, 0 from alone where second_index is not null
    union all
    select partner_id, from_index, 0, reporting_amount from open_deals
    union all
    select partner_id, closed_index, 0, -reporting_amount from open_deals where closed_index is not null
),

further_changes as (
    select
        partner_id, quarter_index, sum(reach_change) as unique_reach_accounts,
        sum(amount_change) as overlap_open_amount
    from further
    group by partner_id, quarter_index
),

from_accounts as (
    select
        k.partner_id,
        q.quarter_index,
        'accounts' as rests_on,
        {{ so_far('c.overlap_accounts') }} as overlap_accounts,
        {{ so_far('c.icp_overlap_accounts') }} as icp_overlap_accounts,
        {{ so_far('f.unique_reach_accounts') }} as unique_reach_accounts,
        {{ so_far('f.overlap_open_amount') }} as overlap_open_amount
        {%- for column, condition in overlap_counts_of_accounts() %},
        {{ so_far('c.' ~ column) }} as {{ column }}
        {%- endfor %}
    from sharing as k
    cross join quarters as q
    left join counted as c on k.partner_id = c.partner_id and q.quarter_index = c.quarter_index
    left join further_changes as f on k.partner_id = f.partner_id and q.quarter_index = f.quarter_index
),

-- Counts carry no day: they hold for the last quarter that had ended when they were taken, and for later ones.
taken as (
    select
        l.partner_id,
        c.extracted_at,
        sum(c.account_count) as overlap_accounts
        {%- for column, condition in overlap_counts_of_counts() %},
        sum(case when {{ condition }} then c.account_count else 0 end) as {{ column }}
        {%- endfor %}
    from {{ ref('int_overlap_counts') }} as c
    inner join {{ ref('int_partner_links') }} as l on c.source = l.source and c.partner_id = l.source_id
    inner join {{ ref('int_partner_knowledge') }} as k on l.partner_id = k.partner_id and k.entity = 'overlap_counts'
    where not c.is_deleted and not c.is_test
    group by l.partner_id, c.extracted_at
),

newest_taken as (
    select
        *,
        row_number() over (partition by partner_id order by extracted_at desc) as place
    from taken
),

from_counts as (
    select
        t.partner_id,
        q.quarter_index,
        'counts' as rests_on,
        t.overlap_accounts,
        cast(null as bigint) as icp_overlap_accounts,
        cast(null as bigint) as unique_reach_accounts,
        cast(null as decimal(28,4)) as overlap_open_amount
        {%- for column, condition in overlap_counts_of_counts() %},
        t.{{ column }}
        {%- endfor %}
    from newest_taken as t
    inner join quarters as q on q.quarter_index >= (
        select max(e.quarter_index) from quarters as e where e.quarter_end < cast(t.extracted_at as date)
    )
    where t.place = 1 and t.partner_id not in (select s.partner_id from sharing as s)
),

-- Without a rule nobody is ideal, without a CRM nobody knows who is: both are unknown.
can_tell as (
    select
        max(case when r.has_rule and c.entity = 'accounts' then 1 else 0 end) as ideal_customers,
        max(case when c.entity = 'opportunities' and u.source_metric is not null then 1 else 0 end) as open_amounts
    from {{ ref('stg_deployment__icp_rule') }} as r
    cross join {{ ref('stg_deployment__capabilities') }} as c
    left join {{ ref('stg_policy__metric_uses') }} as u on u.source_metric = 'overlap_open_amount'
),

either as (
    select * from from_accounts
    union all
    select * from from_counts
)

select
    b.partner_id,
    b.quarter_index,
    b.rests_on,
    cast(b.overlap_accounts as bigint) as overlap_accounts,
    case when t.ideal_customers = 1 then cast(b.icp_overlap_accounts as bigint) end as icp_overlap_accounts,
    cast(b.unique_reach_accounts as bigint) as unique_reach_accounts,
    case when t.open_amounts = 1 then cast(b.overlap_open_amount as decimal(28,4)) end as overlap_open_amount
    {%- for column, condition in overlap_counts_of_accounts() %},
    cast(b.{{ column }} as bigint) as {{ column }}
    {%- endfor %}
from either as b
cross join can_tell as t

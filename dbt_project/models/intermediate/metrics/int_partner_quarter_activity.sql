{{ config(alias='partner_quarter_activity', materialized=table_if_offered(activity_entities())) }}

{#-
  What portal and calendars say a partner did in a quarter, one column per measure; every measure adds up over quarters.
  A row exists where something happened. Whether nothing or nothing known happened elsewhere is partner_knowledge.
-#}
with meetings as (
    {{ placed_facts('meetings', 'started_at', 'account_id') }}
),

trainings as (
    {{ placed_facts('training_records', 'completed_at') }}
),

submitted as (
    {{ placed_facts('deal_registrations', 'submitted_at') }}
),

decided as (
    {{ placed_facts('deal_registrations', 'decided_at') }}
),

ended as (
    {{ placed_facts('deal_registrations', 'closed_at') }}
),

events as (
    {{ placed_facts('activity_events', 'occurred_at') }}
),

requests as (
    {{ placed_facts('mdf_requests', 'submitted_at') }}
),

claims as (
    {{ placed_facts('mdf_claims', 'paid_at') }}
),

answers as (
    {{ placed_facts('csat_responses', 'responded_at') }}
),

plans as (
    {{ placed_facts('business_plans', 'meeting_date') }}
),

measured as (
    select roster_partner_id, quarter_index, 'meetings_held' as measure, cast(count(*) as decimal(28,10)) as value
    from meetings group by roster_partner_id, quarter_index
    union all
    select roster_partner_id, quarter_index, 'meeting_minutes', sum(minutes)
    from meetings group by roster_partner_id, quarter_index
    union all
    -- A certificate is counted while it is valid; what is learnt on the way is counted here.
    select roster_partner_id, quarter_index, 'trainings_completed', count(*)
    from trainings where record_type <> 'certification' and status in ('completed', 'expired') group by roster_partner_id, quarter_index
    union all
    select roster_partner_id, quarter_index, 'registrations_submitted', count(*)
    from submitted where registration_status <> 'draft' group by roster_partner_id, quarter_index
    union all
    select roster_partner_id, quarter_index, 'registrations_accepted', count(*)
    from decided where registration_status in ('accepted', 'auto_accepted') group by roster_partner_id, quarter_index
    union all
    select roster_partner_id, quarter_index, 'registrations_decided', count(*)
    from decided where registration_status in ('accepted', 'auto_accepted', 'declined') group by roster_partner_id, quarter_index
    union all
    select roster_partner_id, quarter_index, 'decision_days', sum({{ days_between('cast(submitted_at as date)', 'cast(decided_at as date)') }})
    from decided
    where registration_status in ('accepted', 'auto_accepted', 'declined')
    group by roster_partner_id, quarter_index
    union all
    -- Whose submission nobody knows took nobody knows how long.
    select roster_partner_id, quarter_index, 'timed_decisions', count(*)
    from decided
    where registration_status in ('accepted', 'auto_accepted', 'declined') and submitted_at is not null
    group by roster_partner_id, quarter_index
    union all
    select roster_partner_id, quarter_index, 'registrations_won', count(*)
    from ended where outcome = 'won' and registration_status <> 'draft' group by roster_partner_id, quarter_index
    union all
    select roster_partner_id, quarter_index, 'portal_active_days', count(distinct cast(occurred_at as date))
    from events group by roster_partner_id, quarter_index
    union all
    select roster_partner_id, quarter_index, 'content_views', count(*)
    from events where event_type = 'asset_view' group by roster_partner_id, quarter_index
    union all
    select roster_partner_id, quarter_index, 'mdf_requested_amount', sum(reporting_requested_amount)
    from requests where status not in ('draft', 'cancelled') group by roster_partner_id, quarter_index
    union all
    select roster_partner_id, quarter_index, 'mdf_spent_amount', sum(coalesce(reporting_approved_amount, reporting_claimed_amount))
    from claims where status in ('approved', 'paid', 'completed') group by roster_partner_id, quarter_index
    union all
    -- portable: a scale of 0 is set aside with the row.
    select roster_partner_id, quarter_index, 'csat_points', sum(cast(score as decimal(28,10)) / cast(scale_max as decimal(18,4)))
    from answers where score is not null and scale_max is not null group by roster_partner_id, quarter_index
    union all
    select roster_partner_id, quarter_index, 'csat_responses', count(*)
    from answers where score is not null and scale_max is not null group by roster_partner_id, quarter_index
    union all
    select roster_partner_id, quarter_index, 'business_plans_held', count(*)
    from plans where coalesce(lower(trim(status)), 'active') not in ('draft', 'cancelled', 'canceled') group by roster_partner_id, quarter_index
)

select
    roster_partner_id as partner_id,
    quarter_index,
    {%- for measure, kind in activity_measures().items() %}
    cast(coalesce(sum(case when measure = '{{ measure }}' then value end), 0) as {{ kind }}) as {{ measure }}{{ ',' if not loop.last }}
    {%- endfor %}
from measured
group by roster_partner_id, quarter_index

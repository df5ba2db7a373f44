-- The candidate that belongs to good_warehouse.sql. Q1: everyone sold 100. Q2: 400, 300, 200 and 100.
create temp table partners as
select 'p' || n as partner_id, 'P-' || n as partner_number, ['Alder', 'Birch', 'Cedar', 'Dogwood'][n] as partner_name,
  quarter, quarter_end::date as quarter_end,
  (case when quarter = '2026Q1' then 100 else 100 * (5 - n) end)::decimal(28, 4) as won
from range(1, 5) as t (n)
cross join (values ('2026Q1', '2026-03-31'), ('2026Q2', '2026-06-30')) as q (quarter, quarter_end);

create table partner_scores as
select partner_id, partner_number, partner_name, quarter, 'acme' as policy, '2026-01' as version,
  true as is_active_policy, (won / 4)::decimal(18, 6) as total_score, '{"performance": 25}' as dimension_scores,
  (rank() over (partition by quarter order by won desc))::integer as score_rank, 1.0::double as evidence_share
from partners;

create table partner_score_contributions as
select partner_id, partner_number, partner_name, quarter, 'acme' as policy, '2026-01' as version, 'won' as criterion,
  'sourced_won_amount' as metric, 'performance' as dimension, won::decimal(28, 6) as value, true as is_observed,
  (won / 4)::decimal(28, 6) as points, 100::decimal(28, 6) as max_points, 0::decimal(28, 6) as lost_to_cap,
  1::decimal(9, 6) as weight, (won / 4)::decimal(28, 6) as contribution, 1.0::double as share_of_total,
  'sold ' || won as reason
from partners;

create table partner_level_history as
with levels as (
  select *, 'segment' as ladder, case when won / 4 >= 50 then 'strategic' else 'self_serve' end as level from partners
  union all
  select *, 'tier', case when won >= 150 then 'gold' else 'none' end from partners),
chained as (
  select *, lag(level) over (partition by partner_id, ladder order by quarter) as previous_level from levels),
moved as (
  select *,
    case
      when level = 'none' then 'outside'
      when coalesce(previous_level, 'none') = 'none' then 'entered'
      when previous_level = level then 'kept'
      else 'promoted' end as action
  from chained)
select partner_id, partner_number, partner_name, quarter, quarter_end, 'acme' as policy, '2026-01' as version, ladder,
  level as earned_level, level as held_level, previous_level, action,
  'because of ' || won as reasons, action as reason_codes, null::varchar as exception, null::varchar as track,
  quarter as held_since, 0 as reviews_above, 0 as reviews_below,
  level as released_level, action as released_action,
  case when quarter = '2026Q2' then 'because of ' || won end as released_reasons,
  case when quarter = '2026Q2' then action end as released_reason_codes,
  case when quarter = '2026Q1' then 'r1' end as released_in
from moved;

create table partner_gates as
select partner_id, partner_number, partner_name, quarter, 'acme' as policy, '2026-01' as version, ladder, level,
  1 as alternative, 1 as condition, kind, subject, 'at_least' as operator, needed, bar::decimal(28, 6) as needed_value,
  (case when kind = 'score' then won / 4 else won end)::decimal(28, 6) as actual_value, true as is_observed,
  case when kind = 'score' then won / 4 else won end >= bar as has_passed,
  case when case when kind = 'score' then won / 4 else won end >= bar then 'passed' else 'failed' end as outcome,
  0::decimal(28, 6) as distance
from partners
cross join (values
  ('segment', 'strategic', 'score', 'total', 'total score at least 50', 50),
  ('tier', 'gold', 'metric', 'sourced_won_amount', 'sourced won amount at least 150', 150)
) as t (ladder, level, kind, subject, needed, bar);

create table partner_segments as
select partners.partner_id, partners.partner_number, partners.partner_name, partners.quarter,
  segment.held_level as segment, segment.action as segment_action, tier.held_level as tier,
  tier.action as tier_action, won as sourced_won_amount, 0::decimal(28, 4) as influenced_won_amount,
  0::decimal(28, 4) as sourced_pipeline_amount, null::bigint as icp_overlap_accounts, null::varchar as track,
  null::bigint as certified_people, null::decimal(18, 2) as partner_manager_hours, scores.total_score,
  scores.dimension_scores, scores.score_rank, scores.evidence_share,
  'segment: ' || segment.released_reasons || ' | tier: ' || tier.released_reasons as reasons,
  'joint planning' as entitlements, 'Kim' as manager, date '2026-06-30' as as_of,
  timestamp '2026-07-01 06:00:00' as known_at, 'acme' as policy, '2026-01' as version, 'r2' as release
from partners
inner join partner_scores as scores
  on scores.partner_id = partners.partner_id and scores.quarter = partners.quarter
inner join partner_level_history as segment on segment.partner_id = partners.partner_id
  and segment.quarter = partners.quarter and segment.ladder = 'segment'
inner join partner_level_history as tier on tier.partner_id = partners.partner_id
  and tier.quarter = partners.quarter and tier.ladder = 'tier'
where partners.quarter = '2026Q2';

create table segment_summary as
with held as (
  select history.quarter, history.ladder, history.held_level as level, count(*) as partner_count, sum(won) as amount
  from partner_level_history as history
  inner join partners on partners.partner_id = history.partner_id and partners.quarter = history.quarter
  group by all)
select quarter, 'acme' as policy, '2026-01' as version, ladder, level,
  case when level in ('strategic', 'gold') then 1 else 2 end as level_rank, partner_count,
  partner_count / sum(partner_count) over (partition by quarter, ladder) as partner_share,
  amount as sourced_won_amount,
  amount::double / sum(amount) over (partition by quarter, ladder) as production_share,
  0::decimal(18, 2) as hours_entitled, null::decimal(18, 2) as hours_spent
from held;

create table segment_movement as
select history.quarter, 'acme' as policy, '2026-01' as version, ladder, coalesce(previous_level, '(new)') as from_level,
  held_level as to_level, action, count(*) as partner_count, sum(won) as sourced_won_amount
from partner_level_history as history
inner join partners on partners.partner_id = history.partner_id and partners.quarter = history.quarter
group by all;

create table partner_funnel as
select partner_id, partner_number, partner_name, quarter, 30::bigint as registered, 20::bigint as accepted,
  5::bigint as declined, 10::bigint as won, 0.8::double as acceptance_rate, 0.5::double as won_per_accepted,
  3.5::double as decision_days, 'acme' as policy, '2026-01' as version
from partners;

create table partner_overlap as
select partner_id, partner_number, partner_name, quarter, 'accounts' as rests_on, 60::bigint as overlap_accounts,
  30::bigint as icp_overlap_accounts, 12::bigint as unique_reach_accounts, 18::bigint as overlap_customers,
  6::bigint as whitespace_accounts,
  6::bigint as own_customers_their_customers,
  6::bigint as own_customers_their_open_opportunities,
  6::bigint as own_customers_their_prospects,
  6::bigint as own_open_opportunities_their_customers,
  6::bigint as own_open_opportunities_their_open_opportunities,
  6::bigint as own_open_opportunities_their_prospects,
  6::bigint as own_prospects_their_customers,
  6::bigint as own_prospects_their_open_opportunities,
  6::bigint as own_prospects_their_prospects,
  null::decimal(28, 4) as overlap_open_amount, false as is_suppressed, 'acme' as policy, '2026-01' as version
from partners;

create table partner_program_levels as
select partner_id, partner_number, partner_name, 'prm' as source, 'prm' as source_kind, 'Alliance' as program,
  'gold' as level, null::date as since, quarter, 'acme' as policy, '2026-01' as version
from partners where quarter = '2026Q2';

create table investment_plan as
select partner_id, partner_number, partner_name, quarter, segment, 'shared' as partner_manager, 'Kim' as owner,
  40::decimal(18, 4) as hours_entitled, 10::decimal(18, 4) as hours_spent, 30::decimal(18, 4) as hours_gap,
  5::bigint as meetings_held, date '2026-06-01' as last_touch, policy, version
from partner_segments;

create table identity_candidates as
select 'crm' as source, 'r10' as source_id, 'p10' as partner_id, 'P-10' as partner_number, 'Elm' as partner_name,
  'elm.example' as domain, 'DE' as country, 'prm' as other_source, 'r11' as other_source_id, 'p11' as other_partner_id,
  'P-11' as other_partner_number, 'Elm GmbH' as other_partner_name, 'elm.example' as other_domain,
  null::varchar as other_country, 0.97::decimal(4, 3) as similarity, 'same_name' as reason,
  'the names are the same, a country is unknown' as detail, 'Elm, domain elm.example' as evidence,
  'Elm GmbH, domain elm.example' as other_evidence, 'segments identity link crm/r10 prm/r11' as settled_by,
  '2026Q2' as quarter, 'acme' as policy, '2026-01' as version;
create table partner_identities as
select source, 'r' || n as source_id, source as kind, 'p' || n as partner_id, 'P-' || n as partner_number,
  'Partner ' || n as record_name, 'own' as rule, true as is_on_roster, date '2026-04-01' as known_since,
  true as is_present, '2026Q2' as quarter, 'acme' as policy, '2026-01' as version
from range(1, 12) as t (n) cross join (values ('crm'), ('prm')) as s (source)
where source = 'prm' or n < 11;
-- A record that is not there now, though its partner is.
insert into partner_identities by name
select * replace ('r12' as source_id, false as is_on_roster, false as is_present) from partner_identities
where source = 'prm' and source_id = 'r4';
create table identity_changes as
select changed_on, 'merged' as change, 'prm' as source, source_id, 'Dogwood' as record_name, from_partner_id,
  'P-' || substr(from_partner_id, 2) as from_partner_number, to_partner_id,
  'P-' || substr(to_partner_id, 2) as to_partner_number, rule, 'goes on as another' as detail, quarter,
  'acme' as policy, '2026-01' as version
from (values
  (date '2026-04-01', 'r4', 'p44', 'p4', 'domain', '2026Q1'),
  (date '2026-07-01', 'r3', 'p33', 'p3', 'crosswalk', '2026Q2')
) as t (changed_on, source_id, from_partner_id, to_partner_id, rule, quarter);
create table identity_review as
select 'prm' as source, 'r11' as source_id, 'prm' as kind, 'p11' as partner_id, 'P-11' as partner_number,
  'Elm' as partner_name, 'elm.example' as domain, 'DE' as country, true as is_on_roster, 'one_system_only' as reason,
  'no other system knows it' as detail, '2026Q2' as quarter, 'acme' as policy, '2026-01' as version;

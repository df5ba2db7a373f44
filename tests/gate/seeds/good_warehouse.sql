-- The smallest warehouse in which every rule holds: four partners, two quarters, one policy with two ladders.
create schema conformed;
create schema quarantine;
create schema deployment;
create schema policy;
create schema metrics;

create table conformed.accounts as
select 'crm' as source, source_id, timestamp '2026-07-01 06:00:00' as extracted_at, false as is_deleted,
  false as is_test, name, partner_number, domain, 'DE' as country, 'emea' as region, 'software' as industry,
  100::bigint as employees, is_partner, 'u1' as owner_id, null::varchar as parent_id,
  timestamp '2025-01-01 00:00:00' as created_at
from (values
  ('a1', 'Alder', 'P-1', 'alder.example', true), ('a2', 'Birch', 'P-2', 'birch.example', true),
  ('a3', 'Cedar', 'P-3', 'cedar.example', true), ('a4', 'Dogwood', 'P-4', 'dogwood.example', true),
  ('c1', 'Customer', null, 'customer.example', false)
) as t (source_id, name, partner_number, domain, is_partner);

create table conformed.opportunities as
select 'crm' as source, source_id, timestamp '2026-07-01 06:00:00' as extracted_at, false as is_deleted,
  false as is_test, 'Deal ' || source_id as name, 'c1' as account_id, amount::decimal(18, 4) as amount,
  'EUR' as currency, amount::decimal(18, 4) as reporting_amount, 'Closed Won' as stage, true as is_closed,
  true as is_won, timestamp '2026-01-01 00:00:00' as created_at, close_date::date as close_date, 'u1' as owner_id
from (values
  ('o1', 100, '2026-02-01'), ('o2', 100, '2026-02-01'), ('o3', 100, '2026-02-01'), ('o4', 100, '2026-02-01'),
  ('o5', 400, '2026-05-01'), ('o6', 300, '2026-05-01'), ('o7', 200, '2026-05-01'), ('o8', 100, '2026-05-01'),
  ('o9', 50, '2026-05-01')
) as t (source_id, amount, close_date);

create table conformed.opportunity_partners as
select 'crm' as source, 'x' || n as source_id, timestamp '2026-07-01 06:00:00' as extracted_at, false as is_deleted,
  false as is_test, 'o' || n as opportunity_id, 'a' || ((n - 1) % 4 + 1) as account_id, 'Reseller' as role_raw,
  'sourced' as role, true as is_primary
from range(1, 9) as t (n);

-- What a partner portal knows; what holds of all entities holds of it.
create table conformed.deal_registrations as
select 'prm' as source, 'd' || n as source_id, timestamp '2026-07-01 06:00:00' as extracted_at, false as is_deleted,
  false as is_test, 'p' || n as partner_id, 'Customer ' || n as customer_company, 'Deal ' || n as deal_name,
  'accepted' as registration_status, 'Accepted' as registration_status_raw, 'won' as outcome, 'Won' as outcome_raw,
  (100 * n)::decimal(18, 4) as amount, 'EUR' as currency, timestamp '2026-05-01 09:00:00' as submitted_at,
  timestamp '2026-05-03 09:00:00' as decided_at, 'o' || n as crm_opportunity_id
from range(1, 4) as t (n);
create table conformed.meetings as
select 'crm' as source, 'm' || n as source_id, timestamp '2026-07-01 06:00:00' as extracted_at, false as is_deleted,
  false as is_test, 'u1' as owner_id, 'a1' as account_id, timestamp '2026-05-02 09:00:00' + to_hours(n::integer) as started_at,
  (30 * n)::decimal(18, 4) as minutes, 'call' as kind
from range(1, 4) as t (n);

create table quarantine.accounts (
  source varchar, source_id varchar, reject_reason varchar, reject_detail varchar, extracted_at timestamp);
create table quarantine.opportunities as from quarantine.accounts;
create table quarantine.opportunity_partners as from quarantine.accounts;
create table quarantine.deal_registrations as from quarantine.accounts;
create table quarantine.meetings as from quarantine.accounts;
-- Every row that was set aside, also those that nothing speaks against.
create table quarantine.accounts_set_aside as from quarantine.accounts;
create table quarantine.meetings_set_aside as from quarantine.accounts;
create table quarantine.opportunities_set_aside as from quarantine.accounts;
create table quarantine.opportunity_partners_set_aside as from quarantine.accounts;
create table quarantine.deal_registrations_set_aside as
select 'prm' as source, 'd1' as source_id, 'superseded' as reject_reason, 'a newer version came' as reject_detail,
  timestamp '2026-07-01 06:00:00' as extracted_at;

create table deployment.capabilities as
select source, entity
from (values ('crm', 'accounts'), ('crm', 'opportunities'), ('crm', 'opportunity_partners'),
  ('crm', 'meetings'), ('prm', 'deal_registrations')) as t (source, entity);

create table deployment.loads as
select 'crm' as source, 'salesforce' as connector, table_name, 'l1' as load_id,
  timestamp '2026-07-01 06:00:00' as known_at, timestamp '2026-07-01 06:00:00' as read_at, 5::bigint as rows, 5::bigint as previous_rows, 'abc' as content_hash,
  'full' as mode, false as may_be_empty
from (values ('accounts'), ('opportunities'), ('opportunity_partners')) as t (table_name);
insert into deployment.loads by name
select * replace ('prm' as source, 'files' as connector, 'deal_registrations' as table_name, 4 as rows, 4 as previous_rows)
from deployment.loads limit 1;

create table deployment.load_changes as
select 'crm' as source, 'opportunities' as table_name, 'opportunities' as entity, column_name,
  timestamp '2026-04-01 06:00:00' as since, 100::bigint as compared_rows, 1::bigint as gone_rows, 99::bigint as filled_rows,
  1::bigint as emptied_rows, 5::bigint as changed_rows, 1::bigint as scaled_rows, 1::bigint as jumped_rows,
  '' as lost_kinds
from (values ('amount'), ('close_date'), ('stage')) as t (column_name);

create table policy.policies as
select 'acme' as policy, '2026-01' as version, 'weighted' as combine, 1 as window_quarters, false as window_complete,
  'primary' as attribution;
create table policy.criteria as
select 'acme' as policy, '2026-01' as version, '' as track, 'won' as criterion, 1 as position, 'sourced_won_amount' as metric,
  'performance' as dimension;
create table policy.ladders as
select 'acme' as policy, '2026-01' as version, ladder from (values ('segment'), ('tier')) as t (ladder);
create table policy.levels as
select 'acme' as policy, '2026-01' as version, ladder, level, rank::integer as rank, is_outside, has_conditions
from (values
  ('segment', 'strategic', 1, false, true), ('segment', 'self_serve', 2, false, false),
  ('tier', 'gold', 1, false, true), ('tier', 'none', 2, true, false)
) as t (ladder, level, rank, is_outside, has_conditions);
create table policy.level_conditions as
select 'acme' as policy, '2026-01' as version, ladder, level, 1 as rank, 1 as alternative, 1 as condition, kind,
  subject, 'at_least' as operator, value::decimal(28, 6) as value
from (values
  ('segment', 'strategic', 'score', 'total', 50), ('tier', 'gold', 'metric', 'sourced_won_amount', 150)
) as t (ladder, level, kind, subject, value);
create table policy.exceptions (
  policy varchar, partner varchar, ladder varchar, level varchar, valid_from date, valid_until date, why varchar,
  approved_by varchar
);
create table policy.guardrails as
select 'acme' as policy, '2026-01' as version, 'segment' as ladder, kind, subject, value::decimal(18, 6) as value
from (values
  ('max_share', 'strategic', 0.8), ('max_moves_share', null, 0.8), ('no_promotion_without', 'sourced_won_amount', null)
) as t (kind, subject, value);

create table metrics.partner_quarter_measures as
select 'p' || right(credits.account_id, 1) as partner_id,
  case when deals.close_date < date '2026-04-01' then '2026Q1' else '2026Q2' end as quarter, 'primary' as attribution,
  sum(deals.reporting_amount)::decimal(28, 4) as sourced_won_amount, 0::decimal(28, 4) as influenced_won_amount,
  0::decimal(28, 4) as sourced_pipeline_amount, sum(deals.reporting_amount)::decimal(28, 4) as won_amount
from conformed.opportunities as deals
inner join conformed.opportunity_partners as credits on credits.opportunity_id = deals.source_id
group by all;
create table metrics.production_reconciliation as
select 'primary' as attribution, 1450::decimal(28, 4) as crm_won_amount, 1400::decimal(28, 4) as partner_won_amount,
  50::decimal(28, 4) as direct_won_amount;

create table deployment.quarters as
select n::integer as quarter_index, quarter, quarter_start::date as quarter_start, quarter_end::date as quarter_end
from (values (0, '2026Q1', '2026-01-01', '2026-03-31'), (1, '2026Q2', '2026-04-01', '2026-06-30'))
  as t (n, quarter, quarter_start, quarter_end);

create schema identity;
create table identity.partner_knowledge as
select 'p' || n as partner_id, entity
from range(1, 5) as t (n) cross join (values ('deal_registrations'), ('account_overlaps'), ('meetings')) as e (entity);
create table identity.told_levels as
select 'p' || n as partner_id, 'prm' as source, 'prm' as source_kind, 'Alliance' as program, 'gold' as level,
  null::date as since
from range(1, 5) as t (n);
create table identity.partner_links as
select source, 'r' || n as source_id, source as kind, 'p' || n as partner_id,
  case source when 'crm' then 'own' else 'crm_account_id' end as rule, 'crm' as key_source, 'r' || n as key_source_id
from range(1, 12) as t (n) cross join (values ('crm'), ('prm')) as s (source)
where source = 'prm' or n < 11;
-- One has a name of its own in the portal, another a domain of its own; none has both.
create table identity.partner_records as
select source, source_id, 'Partner ' || partner_id as name,
  case when source = 'prm' and source_id = 'r2' then 'portal' else partner_id end || '.example' as web_domain
from identity.partner_links;
create table identity.partner_names as
select source, source_id, case when source = 'prm' and source_id = 'r1' then 'portal' else partner_id end as folded_key
from identity.partner_links;
create table identity.partner_candidates as
select 'crm' as source, 'r10' as source_id, 'prm' as other_source, 'r11' as other_source_id;
create table policy.capacity as
select 'acme' as policy, '2026-01' as version, 4 as partner_managers, 40.0 as hours_per_week, 12.0 as weeks,
  0.7 as utilisation;

-- What is on record: the release of the quarter before, and none of the same quarter.
create schema released;
create table released.decisions as
select 'acme' as policy, ladder, 'p' || n as partner_id, 0::integer as quarter_index, 'K' as state, 'r1' as release,
  level, action
from range(1, 5) as t (n)
cross join (values ('segment', 'self_serve', 'entered'), ('tier', 'none', 'outside')) as l (ladder, level, action);
create table released.compared as
select compared_with, release, quarter, policy, version, partner_count::bigint as partner_count
from (values
  ('quarter_before', 'r1', '2026Q1', 'acme', '2026-01', 4), ('same_quarter', null, null, null, null, null)
) as t (compared_with, release, quarter, policy, version, partner_count);
create table released.scores as
select 'quarter_before' as compared_with, 'acme' as policy, '2026-01' as version, 'p' || n as partner_id,
  'P-' || n as partner_number, 25::decimal(18, 6) as total_score
from range(1, 5) as t (n);
-- The portal's third record was a partner of its own until somebody said whose it is.
create table released.identities as
select source, source_id, case when source = 'prm' and source_id = 'r3' then 'p33' else partner_id end as partner_id,
  'P-' || partner_id as partner_number, source as kind, 'Partner ' || partner_id as record_name, 'own' as rule,
  date '2026-04-01' as known_since, true as is_present
from identity.partner_links;
insert into released.identities by name
select * replace ('r12' as source_id) from released.identities where source = 'prm' and source_id = 'r4';
create table released.former_changes as
select date '2026-04-01' as changed_on, 'merged' as change, 'prm' as source, 'r4' as source_id,
  'Dogwood' as record_name, 'p44' as from_partner_id, 'P-44' as from_partner_number, 'p4' as to_partner_id,
  'P-4' as to_partner_number, 'domain' as rule, 'P-44 goes on as P-4' as detail, '2026Q1' as quarter,
  'acme' as policy, '2026-01' as version;
insert into policy.guardrails values ('acme', '2026-01', 'tier', 'max_moves_share', null, 0.8);

-- What is broken in the warehouse, rule by rule; applied to good_warehouse.sql. A row may break several rules.

-- accounts
insert into conformed.accounts by name
select * replace (null as source, 'n1' as source_id) from conformed.accounts limit 1;
insert into conformed.accounts by name
select * replace (null as source_id) from conformed.accounts where source_id = 'a1';
insert into conformed.accounts by name
select * from conformed.accounts where source_id = 'a2';
insert into conformed.accounts by name
select * replace ('n2' as source_id, repeat('Acme ', 101) as name)
from conformed.accounts where source_id = 'a2' and is_partner limit 1;
insert into conformed.accounts by name
select * replace ('b1' as source_id, null as is_test, '' as name, 'no_such' as parent_id, 'https://x.example' as domain)
from conformed.accounts where source_id = 'a3' and source = 'crm';
insert into conformed.accounts by name
select * replace ('b2' as source_id, null as partner_number, timestamp '2026-07-02 00:00:00' as extracted_at)
from conformed.accounts where source_id = 'a3' and source = 'crm';

-- opportunities
insert into conformed.opportunities by name select * replace (null as source) from conformed.opportunities limit 1;
insert into conformed.opportunities by name
select * replace (null as source_id) from conformed.opportunities where source_id = 'o1' and source = 'crm';
insert into conformed.opportunities by name
select * from conformed.opportunities where source_id = 'o2' and source = 'crm';
insert into conformed.opportunities by name
select o.* replace ('b' || n as source_id, false as is_closed, 'no_such' as account_id, null as reporting_amount,
  'Euro' as currency)
from conformed.opportunities as o cross join range(3) as t (n) where source_id = 'o3' and source = 'crm';
insert into conformed.opportunities by name
select * replace ('b5' as source_id, null as close_date, timestamp '2026-07-02 00:00:00' as extracted_at)
from conformed.opportunities where source_id = 'o3' and source = 'crm';
insert into conformed.opportunities by name
select * replace ('b6' as source_id, date '2027-01-01' as close_date)
from conformed.opportunities where source_id = 'o3' and source = 'crm';
insert into conformed.opportunities by name
select o.* replace ('b7' || n as source_id, case when n = 0 then 5000 else 1 end as amount,
  case when n = 0 then 5000 else 1 end as reporting_amount)
from conformed.opportunities as o cross join range(9) as t (n) where source_id = 'o5' and source = 'crm';
insert into conformed.opportunities by name
select o.* replace ('b8' || n as source_id, -o.amount as amount, -o.reporting_amount as reporting_amount)
from conformed.opportunities as o cross join range(5) as t (n) where source_id = 'o6' and source = 'crm';

-- opportunity_partners
insert into conformed.opportunity_partners by name
select * replace (null as source) from conformed.opportunity_partners where source_id = 'x1';
insert into conformed.opportunity_partners by name
select * replace (null as source_id, 'reseller' as role) from conformed.opportunity_partners
where source_id = 'x2' and source = 'crm';
insert into conformed.opportunity_partners by name
select * replace (null as is_deleted) from conformed.opportunity_partners where source_id = 'x3' and source = 'crm';
insert into conformed.opportunity_partners by name
select * replace ('b1' as source_id) from conformed.opportunity_partners where source_id = 'x4' and source = 'crm';
insert into conformed.opportunity_partners by name
select o.* replace ('b2' as source_id, 'no_such' as opportunity_id, 'c1' as account_id, 'unknown' as role)
from conformed.opportunity_partners as o cross join range(9) where source_id = 'x4' and source = 'crm';
insert into conformed.opportunity_partners by name
select * replace ('b3' as source_id, 'no_such' as account_id) from conformed.opportunity_partners
where source_id = 'x5' and source = 'crm';

-- entities: a source nobody said could know of registrations
insert into conformed.deal_registrations by name
select * replace ('crm' as source, null as is_deleted) from conformed.deal_registrations limit 1;

-- entities and quarters: two CRMs and two portals that brought 30 rows in each month of the year before
create temp table month_days as
select n, date '2025-04-15' + to_months(m::integer) as day from range(12) as months (m) cross join range(30) as rows (n);
insert into conformed.accounts by name
select a.* replace ('thin' as source, t.id as source_id, t.region as region)
from conformed.accounts as a cross join (values ('c1', 'emea'), ('c2', 'apac')) as t (id, region)
where a.source_id = 'c1' and a.source = 'crm';
-- three deals of one day are left of the quarter: no more pounds, nothing from one of the regions
insert into conformed.opportunities by name
select o.* replace ('thin' as source, 'h' || row_number() over () as source_id, m.day::date as close_date,
  case when m.day < date '2026-04-01' then 'GBP' else 'EUR' end as currency,
  case when m.day < date '2026-04-01' then 'c2' else 'c1' end as account_id)
from conformed.opportunities as o
cross join (from month_days union all select n, timestamp '2026-05-10' from range(3) as t (n)) as m
where o.source_id = 'o9' and o.source = 'crm';
-- 25 deals of one day are left of the other, at a thousandth of their amount and without partners
insert into conformed.opportunities by name
select o.* replace ('cents' as source, 'h' || row_number() over () as source_id, m.day::date as close_date,
  case when m.day < date '2026-04-01' then 1000 else 1 end as amount,
  case when m.day < date '2026-04-01' then 1000 else 1 end as reporting_amount)
from conformed.opportunities as o
cross join (from month_days union all select n, timestamp '2026-05-10' from range(25) as t (n)) as m
where o.source_id = 'o9' and o.source = 'crm';
insert into conformed.opportunity_partners by name
select credit.* replace ('cents' as source, 'h' || deal.source_id as source_id, deal.source_id as opportunity_id,
  'unknown' as role)
from conformed.opportunity_partners as credit
cross join (select source_id from conformed.opportunities where source = 'cents' and close_date < '2026-04-01') as deal
where credit.source_id = 'x1' and credit.source = 'crm';
insert into conformed.opportunities by name
select o.* replace ('nothing' as source, 'z' || n as source_id, 0 as amount, 0 as reporting_amount)
from conformed.opportunities as o cross join range(30) as t (n) where o.source_id = 'o1' and o.source = 'crm';
-- a portal with three registrations left, and one where all registrations have become one partner's, in cents
insert into conformed.deal_registrations by name
select d.* replace ('thin' as source, 'h' || row_number() over () as source_id, m.day as submitted_at,
  m.day - interval 1 day as decided_at, 'p' || m.n as partner_id, -1 as amount)
from conformed.deal_registrations as d
cross join (from month_days union all select n, timestamp '2026-05-10' from range(3) as t (n)) as m
where d.source_id = 'd1' and d.source = 'prm';
insert into conformed.deal_registrations by name
select d.* replace ('one' as source, 'h' || row_number() over () as source_id, m.day as submitted_at,
  'p' || m.n as partner_id, case when m.day < date '2026-04-01' then 100 else 10000 end as amount)
from conformed.deal_registrations as d
cross join (from month_days union all select 1, timestamp '2026-05-10' from range(30) as t (n)) as m
where d.source_id = 'd1' and d.source = 'prm';
-- a portal that says the same of everything, in words nobody knows, and not when
insert into conformed.deal_registrations by name
select d.* replace ('mute' as source, 'h' || n as source_id, null as submitted_at, 'unknown' as registration_status,
  'Genehmigt' as registration_status_raw)
from conformed.deal_registrations as d cross join range(30) as t (n) where d.source_id = 'd1' and d.source = 'prm';

update conformed.deal_registrations set crm_opportunity_id = 'no_such' where source = 'mute';
insert into conformed.meetings by name select * replace (1441 as minutes) from conformed.meetings;

-- load_changes: the same deals are quite different now
insert into deployment.load_changes by name
select * replace (null as source) from deployment.load_changes limit 1;
insert into deployment.load_changes by name
select * replace (null as table_name, null as column_name) from deployment.load_changes limit 1;
update deployment.load_changes
set gone_rows = 60, emptied_rows = 60, changed_rows = 60, scaled_rows = 60, jumped_rows = 60,
  lost_kinds = 'Customers';
insert into deployment.load_changes by name
select c.* replace (t.column_name as column_name, 'opportunity_partners' as entity)
from deployment.load_changes as c
cross join (values ('created_at'), ('account_id'), ('probability'), ('expires_at')) as t (column_name) where c.source = 'crm' and c.column_name = 'stage';
insert into deployment.load_changes by name
select * replace ('overlap_counts' as entity, 'overlap_counts' as table_name, 'count' as column_name)
from deployment.load_changes where source = 'crm' and column_name = 'amount';

-- loads: everything was last loaded before the quarter ended, and even that later than the run may know
update deployment.loads set known_at = timestamp '2026-05-01 00:00:00', read_at = timestamp '2026-05-01 00:00:00';
insert into deployment.loads by name
select * replace (null as source) from deployment.loads where table_name = 'accounts';
insert into deployment.loads by name
select * replace (null as load_id) from deployment.loads where source = 'crm';
insert into deployment.loads by name
select * replace (null as table_name, null as content_hash) from deployment.loads where load_id = 'l1';
insert into deployment.loads by name
select * from deployment.loads where source = 'crm' and table_name = 'accounts' and load_id = 'l1';
insert into deployment.loads by name
select * replace ('l2' as load_id, 'shrunk' as table_name, 4 as rows, 10 as previous_rows)
from deployment.loads where source = 'crm' and table_name = 'opportunities' and load_id = 'l1';
insert into deployment.loads by name
select * replace ('l2' as load_id, 'old' as table_name, timestamp '2025-01-01 00:00:00' as known_at, 0 as rows)
from deployment.loads where source = 'crm' and table_name = 'opportunities' and load_id = 'l1';

update deployment.loads set rows = 99 where connector = 'files';

-- quarantine
insert into quarantine.opportunities values
  ('crm', 'q1', 'no_exchange_rate', 'Opportunity.csv row 7: no rate for CHF on 2026-05-01', null),
  ('crm', 'o1', 'amount_is_not_a_number', 'Opportunity.csv row 8: amount is abc', null);
insert into quarantine.deal_registrations values
  ('prm', 'q3', 'no_exchange_rate', 'deal_registrations.csv row 9: no rate for SEK on 2026-05-01', null);
insert into quarantine.accounts values (null, 'q2', 'duplicate_id', null, null);

-- reconciliation
update metrics.production_reconciliation set partner_won_amount = 0;
insert into metrics.production_reconciliation by name select * from metrics.production_reconciliation;
insert into metrics.production_reconciliation values (null, 1, 1, 0);
update metrics.partner_quarter_measures set won_amount = won_amount + 100000;

-- the policy a candidate is held against
update policy.policies set attribution = 'equal';
insert into policy.exceptions values
  (null, 'nobody', 'tier', 'gold', null, date '2026-12-31', 'promised', 'Kim'),
  ('acme', 'p4', 'tier', 'brass', null, date '2026-12-31', 'promised', 'Kim');
update policy.guardrails set value = 0.1 where kind like 'max%';

-- what is on record: one ladder without a limit, a release of another version, and scores of many partners
delete from policy.guardrails where ladder = 'tier';
insert into released.compared values (null, 'r0', '2025Q4', 'acme', '2026-01', 4);
insert into released.compared values ('same_quarter', 'r2', '2026Q2', 'acme', '2025-01', 9999);
update released.decisions set level = 'gold' where ladder = 'tier';
insert into released.scores by name
select s.* replace ('o' || n as partner_id, n::decimal(18, 6) / 4 as total_score)
from released.scores as s cross join range(1, 201) as t (n) where partner_id = 'p1';

-- identity: an account whose id was used again for another company
update identity.partner_records set web_domain = 'other.example' where source = 'crm' and source_id = 'r1';

-- identity: a record of another partner under an id that is in use
update identity.partner_links set key_source = 'prm' where source = 'prm' and source_id = 'r9';

-- What is broken in the warehouse, rule by rule; applied to good_warehouse.sql. A row may break several rules.

-- accounts
insert into conformed.accounts by name
select * replace (null as source, 'n1' as source_id) from conformed.accounts limit 1;
insert into conformed.accounts by name
select * replace (null as source_id) from conformed.accounts where source_id = 'a1';
insert into conformed.accounts by name
select * from conformed.accounts where source_id = 'a2';
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

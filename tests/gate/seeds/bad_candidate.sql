-- What is broken in the candidate, rule by rule; applied to good_candidate.sql and judged against the good warehouse,
-- with the guardrails drawn tight.

-- partner_segments
insert into partner_segments by name
select * replace (null as partner_id, null as partner_number, null as reasons) from partner_segments where partner_id = 'p4';
insert into partner_segments by name select * from partner_segments where partner_id = 'p3';
insert into partner_segments by name
select * replace ('p5' as partner_id, '' as partner_name, '2026Q1' as quarter, 'platinum' as segment,
  'kim@example.org' as manager, 101 as total_score, 9 as score_rank, 'nan'::double as evidence_share)
from partner_segments where partner_id = 'p4';
insert into partner_segments by name
select * replace ('p6' as partner_id, ' Direct' as partner_name, null as total_score)
from partner_segments where partner_id = 'p4';

-- partner_scores
insert into partner_scores by name
select * replace (null as partner_id) from partner_scores where partner_id = 'p4';
insert into partner_scores by name
select * replace (null as quarter) from partner_scores where partner_id = 'p4';
insert into partner_scores by name
select * replace (null as policy) from partner_scores where partner_id = 'p4';
insert into partner_scores by name
select * replace (null as version) from partner_scores where partner_id = 'p4';
update partner_scores set total_score = null where quarter = '2026Q2';
insert into partner_scores by name
select o.* replace (250 as total_score, 7 as score_rank, '2026Q3' as quarter, 'a@b' as dimension_scores)
from partner_scores as o cross join range(2) where partner_id = 'p4' and quarter = '2026Q1' and policy = 'acme';

-- partner_score_contributions
insert into partner_score_contributions by name
select * replace (null as partner_id) from partner_score_contributions where partner_id = 'p4';
insert into partner_score_contributions by name
select * replace (null as quarter) from partner_score_contributions where partner_id = 'p4';
insert into partner_score_contributions by name
select * replace (null as criterion) from partner_score_contributions where partner_id = 'p4';
insert into partner_score_contributions by name
select * replace (200 as points, null as value, 'because a@b' as reason)
from partner_score_contributions where partner_id = 'p2';
insert into partner_score_contributions by name
select * replace ('p9' as partner_id, 'charm' as criterion, null as reason, 0 as points)
from partner_score_contributions where partner_id = 'p1';

-- partner_level_history
insert into partner_level_history by name
select * replace (null as partner_id) from partner_level_history where partner_id = 'p4';
insert into partner_level_history by name
select * replace (null as quarter) from partner_level_history where partner_id = 'p4';
insert into partner_level_history by name
select * replace (null as policy) from partner_level_history where partner_id = 'p4';
insert into partner_level_history by name
select * replace (null as version) from partner_level_history where partner_id = 'p4';
insert into partner_level_history by name
select * replace (null as ladder, 'r9' as released_in, null as released_level)
from partner_level_history where partner_id = 'p4';
insert into partner_level_history by name
select * from partner_level_history
where partner_id = 'p4' and quarter = '2026Q2' and ladder = 'tier' and policy = 'acme';
insert into partner_level_history by name
select * replace ('p7' as partner_id, 'platinum' as held_level, 'jumped' as action, date '2026-06-29' as quarter_end,
  'see a@b' as reasons)
from partner_level_history where partner_id = 'p4' and quarter = '2026Q2' and ladder = 'segment' and policy = 'acme';
insert into partner_level_history by name
select * replace ('p8' as partner_id, 'strategic' as previous_level, 'strategic' as released_level,
  'r1' as released_in)
from partner_level_history where partner_id = 'p1' and ladder = 'segment';
insert into partner_level_history by name
select * replace ('p6' as partner_id, 'frozen' as released_action, 'frozen, stale_source' as released_reason_codes)
from partner_level_history where partner_id = 'p4' and quarter = '2026Q2' and ladder = 'tier' and policy = 'acme';

-- partner_gates
insert into partner_gates by name
select * replace (null as partner_id) from partner_gates where partner_id = 'p4';
insert into partner_gates by name
select * replace (null as quarter) from partner_gates where partner_id = 'p4';
insert into partner_gates by name
select * replace (null as ladder) from partner_gates where partner_id = 'p4';
insert into partner_gates by name
select * replace (null as level) from partner_gates where partner_id = 'p4';
insert into partner_gates by name
select * replace (null as condition) from partner_gates where partner_id = 'p4';
insert into partner_gates by name select * from partner_gates where partner_id = 'p3';
update partner_gates set has_passed = false where partner_id = 'p1';
update partner_gates set needed = null, level = 'palladium' where partner_id = 'p2' and ladder = 'tier';
insert into partner_gates by name
select * replace ('p9' as partner_id, 'a@b' as needed, 'unknown' as outcome) from partner_gates where partner_id = 'p3';

-- segment_summary
insert into segment_summary by name
select * replace (null as policy) from segment_summary where level = 'gold';
insert into segment_summary by name
select * replace (null as version) from segment_summary where level = 'gold';
insert into segment_summary by name
select * replace (null as quarter) from segment_summary where level = 'gold';
insert into segment_summary by name
select * replace (null as ladder) from segment_summary where level = 'gold';
insert into segment_summary by name
select * replace (null as level) from segment_summary where level = 'gold';
insert into segment_summary by name
select * replace (4 as level_rank, 1.5 as partner_share, 0.7 as production_share, 'a@b' as policy)
from segment_summary where level = 'gold' and quarter = '2026Q2' and ladder = 'tier';
insert into segment_summary by name
select * from segment_summary where level = 'strategic' and quarter = '2026Q2';

-- segment_movement
insert into segment_movement by name
select * replace (null as quarter) from segment_movement where to_level = 'gold';
insert into segment_movement by name
select * replace (null as ladder) from segment_movement where to_level = 'gold';
insert into segment_movement by name
select * replace (null as to_level) from segment_movement where to_level = 'gold';
insert into segment_movement by name
select * replace (null as action) from segment_movement where to_level = 'gold';
insert into segment_movement by name
select * replace ('jumped' as action, 'a@b' as version) from segment_movement
where to_level = 'gold' and quarter = '2026Q2' and ladder = 'tier' and action = 'entered';
insert into segment_movement by name select * from segment_movement where to_level = 'strategic';

-- partner_funnel
insert into partner_funnel by name
select * replace (null as partner_id) from partner_funnel where partner_id = 'p4';
insert into partner_funnel by name
select * replace (null as quarter) from partner_funnel where partner_id = 'p4';
insert into partner_funnel by name
select * replace (null as partner_number) from partner_funnel where partner_id = 'p4';
insert into partner_funnel by name
select * replace ('p9' as partner_id, -1 as won, 0.5 as acceptance_rate, -2 as decision_days, 'a@b' as partner_name)
from partner_funnel where partner_id = 'p1';
insert into partner_funnel by name select * from partner_funnel where partner_id = 'p2';
update partner_funnel set accepted = 0, declined = 0 where quarter = '2026Q2';

-- partner_overlap
insert into partner_overlap by name
select * replace (null as partner_id) from partner_overlap where partner_id = 'p4';
insert into partner_overlap by name
select * replace (null as quarter) from partner_overlap where partner_id = 'p4';
insert into partner_overlap by name
select * replace (null as partner_number) from partner_overlap where partner_id = 'p4';
insert into partner_overlap by name
select * replace ('p9' as partner_id, 90 as icp_overlap_accounts, 'a@b' as partner_name)
from partner_overlap where partner_id = 'p1';
insert into partner_overlap by name
select * replace ('p8' as partner_id, 'counts' as rests_on, 3 as overlap_customers)
from partner_overlap where partner_id = 'p1';
insert into partner_overlap by name select * from partner_overlap where partner_id = 'p2';
delete from partner_overlap where partner_id = 'p3';

-- partner_program_levels
insert into partner_program_levels by name
select * replace (null as partner_id) from partner_program_levels where partner_id = 'p4';
insert into partner_program_levels by name
select * replace (null as source) from partner_program_levels where partner_id = 'p4';
insert into partner_program_levels by name
select * replace (null as program) from partner_program_levels where partner_id = 'p4';
insert into partner_program_levels by name
select * replace (null as level) from partner_program_levels where partner_id = 'p4';
insert into partner_program_levels by name
select * replace ('silver' as level, 'a@b' as partner_name) from partner_program_levels where partner_id = 'p1';
insert into partner_program_levels by name select * from partner_program_levels where partner_id = 'p2';
delete from partner_program_levels where partner_id = 'p3';

-- investment_plan
insert into investment_plan by name
select * replace (null as partner_id) from investment_plan where partner_id = 'p4';
insert into investment_plan by name
select * replace (null as partner_number) from investment_plan where partner_id = 'p4';
insert into investment_plan by name
select * replace ('p9' as partner_id, 'Pseudo' as partner_name, 'a@b' as owner, 5000 as hours_entitled)
from investment_plan where partner_id = 'p1';
insert into investment_plan by name
select * replace ('platinum' as segment) from investment_plan where partner_id = 'p2';

-- identity_candidates
insert into identity_candidates by name
select * replace (null as source) from identity_candidates where similarity < 1;
insert into identity_candidates by name
select * replace (null as source_id) from identity_candidates where source is not null;
insert into identity_candidates by name
select * replace (null as other_source) from identity_candidates where source_id is not null and source is not null;
insert into identity_candidates by name
select * replace (null as other_source_id) from identity_candidates
where source is not null and source_id is not null and other_source is not null;
insert into identity_candidates by name
select * replace (partner_id as other_partner_id, 1.5 as similarity, 'looks_odd' as reason, '' as detail,
  'a@b' as partner_name)
from identity_candidates limit 1;
update identity_candidates set source_id = 'r99' where source_id = 'r10';

-- identity_review
insert into identity_review by name
select * replace (null as source) from identity_review where true;
insert into identity_review by name
select * replace (null as source_id) from identity_review where true;
insert into identity_review by name
select * replace (null as reason) from identity_review where true;
insert into identity_review by name
select * replace ('looks_odd' as reason, null as detail, 'a@b' as partner_name) from identity_review where reason is not null limit 1;
insert into identity_review by name
select * replace ('crosswalk_unmatched' as reason) from identity_review where reason = 'one_system_only' limit 1;
insert into identity_review by name
select o.* replace ('prm' as source, 'r' || n as source_id) from identity_review as o cross join range(1, 9) as t (n)
where reason = 'one_system_only' and source = 'prm' and source_id = 'r11';
insert into identity_review by name select * from identity_review where reason = 'looks_odd';
update identity_review set partner_id = 'p99' where partner_id = 'p11';

-- partner_identities
delete from partner_identities where partner_id = 'p2';
insert into partner_identities by name select * from partner_identities where source = 'crm' and source_id = 'r3';
insert into partner_identities by name
select * replace (null as source) from partner_identities where source = 'prm' and source_id = 'r1';
insert into partner_identities by name
select * replace (null as source_id) from partner_identities where source = 'prm' and source_id = 'r1';
insert into partner_identities by name
select * replace ('r77' as source_id, null as partner_id) from partner_identities where source = 'prm' and source_id = 'r1';
insert into partner_identities by name
select * replace ('r78' as source_id, null as known_since, 'guess' as rule, 'a@b' as record_name)
from partner_identities where source = 'prm' and source_id = 'r1';

-- identity_changes
delete from identity_changes where source_id = 'r4';
insert into identity_changes by name
select * replace (date '2026-07-01' as changed_on, 'r5' as source_id, 'domain' as rule) from identity_changes;
insert into identity_changes by name
select * replace ('split' as change, 'r6' as source_id) from identity_changes where source_id = 'r5';
insert into identity_changes by name
select * replace (null as changed_on) from identity_changes where source_id = 'r5';
insert into identity_changes by name
select * replace (null as source) from identity_changes where source_id = 'r6';
insert into identity_changes by name
select * replace (null as source_id) from identity_changes where source_id = 'r6' and source is not null;
insert into identity_changes by name
select * replace (null as from_partner_id) from identity_changes where source_id = 'r6' and source is not null;
insert into identity_changes by name
select * replace (null as to_partner_id) from identity_changes
where source_id = 'r6' and source is not null and from_partner_id is not null;
insert into identity_changes by name
select * replace ('r7' as source_id, to_partner_id as from_partner_id, 'odd' as change, 'a@b' as record_name)
from identity_changes where source_id = 'r3';
insert into identity_changes by name select * from identity_changes where source_id = 'r7';
delete from identity_changes where source_id = 'r3';

-- breakers: partners moved without a reason or with a wrong one, partners who lost their score, and a crowd at the top
update partner_level_history set reasons = null, released_reasons = null
where ladder = 'segment' and quarter = '2026Q2' and partner_id <> 'p7';
update partner_level_history set released_action = 'demoted' where ladder = 'tier' and quarter = '2026Q2';
update partner_segments set total_score = null where partner_id in ('p1', 'p2', 'p3');
insert into partner_segments by name
select p.* replace ('x' || n as partner_id, 'X-' || n as partner_number, 99 as total_score, 1 as score_rank)
from partner_segments as p cross join range(200) as t (n) where partner_id = 'p4';
update segment_movement set sourced_won_amount = sourced_won_amount + 1000000;

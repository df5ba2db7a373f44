"""partner_gates: what must be true of partner_gates."""

from data_quality.promise import critical, never_null, no_rows, suite, warning

SUITE = suite(
    "partner_gates",
    place="candidate",
    description=(
        "One row per partner, quarter, ladder, level and condition of the active policy. What is "
        "missing for the next level."
    ),
    key=["partner_id", "quarter", "ladder", "level", "condition"],
    floor="every_condition_is_there",
    promises=[
        critical(
            "every_condition_is_there",
            "conditions of {policy}@{version} were not put to every partner in {quarter}: {sample}",
            no_rows("""
                with due as (
                  select released.partner_id, gates.ladder, gates.level, gates.alternative, gates.condition
                  from candidate.partner_segments as released
                  inner join policy.level_conditions as gates on gates.policy = {policy}
                    and gates.version = {version})
                select due.ladder, due.level, due.condition, count(*) as partner_count from due
                where not exists (
                  select 1 from candidate.partner_gates as found
                  where found.partner_id = due.partner_id and found.quarter = {quarter} and found.ladder = due.ladder
                    and found.level = due.level and found.alternative = due.alternative
                      and found.condition = due.condition)
                group by due.ladder, due.level, due.condition
            """),
        ),
        critical("partner_is_named", "gates belong to no partner", never_null("partner_id")),
        critical("quarter_is_named", "gates belong to no quarter", never_null("quarter")),
        critical("ladder_is_named", "gates belong to no ladder", never_null("ladder")),
        critical("level_is_named", "gates belong to no level", never_null("level")),
        critical("condition_is_named", "gates belong to no condition", never_null("condition")),
        critical(
            "gate_stands_once",
            "a condition was put to a partner twice: {sample}",
            no_rows("""
                select partner_id, quarter, policy, version, ladder, level, condition, count(*) as row_count
                from candidate.partner_gates
                group by partner_id, quarter, policy, version, ladder, level, condition having count(*) > 1
            """),
        ),
        critical(
            "condition_is_the_policys",
            "gates were put up that {policy}@{version} does not have: {sample}",
            no_rows("""
                select found.ladder, found.level, found.condition, count(*) as row_count
                  from candidate.partner_gates as found
                where found.policy is distinct from {policy} or found.version is distinct from {version}
                  or not exists (
                  select 1 from policy.level_conditions as gates
                  where gates.policy = {policy} and gates.version = {version} and gates.ladder = found.ladder
                    and gates.level = found.level and gates.condition = found.condition
                    and gates.subject is not distinct from found.subject)
                group by found.ladder, found.level, found.condition
            """),
        ),
        critical(
            "passing_follows_from_the_numbers",
            "conditions are passed or failed against their own numbers, or passed by an unknown value: {sample}",
            no_rows("""
                select partner_id, level, subject, actual_value from candidate.partner_gates
                where has_passed is null or is_observed is null or (has_passed and not is_observed)
                  or (kind in ('metric', 'score', 'dimension', 'points') and is_observed and (
                    actual_value is null or needed_value is null or has_passed <> case operator
                      when 'at_least' then actual_value >= needed_value
                      when 'above' then actual_value > needed_value
                      when 'at_most' then actual_value <= needed_value
                      when 'below' then actual_value < needed_value
                      when 'equals' then actual_value = needed_value
                      else not has_passed end))
            """),
        ),
        critical(
            "outcome_is_passed_failed_or_unknown",
            "a condition is not told as passed, failed or unknown as its value says: {sample}",
            no_rows("""
                select partner_id, level, subject, outcome from candidate.partner_gates
                where outcome is distinct from case
                  when has_passed then 'passed' when is_observed then 'failed' else 'unknown' end
            """),
        ),
        critical(
            "earned_level_passed_its_gates",
            "levels were earned without passing their conditions or those of a higher one: {sample}",
            no_rows("""
                with passed as (
                  select gates.partner_id, gates.ladder, levels.rank from (
                    select partner_id, ladder, level, alternative, bool_and(has_passed) as has_passed
                    from candidate.partner_gates
                    where quarter = {quarter} and policy = {policy} and version = {version}
                    group by partner_id, ladder, level, alternative) as gates
                  inner join policy.levels as levels on levels.policy = {policy} and levels.version = {version}
                    and levels.ladder = gates.ladder and levels.level = gates.level
                  where gates.has_passed)
                select history.partner_id, history.quarter, history.ladder, history.earned_level
                from candidate.partner_level_history as history
                inner join policy.levels as levels on levels.policy = history.policy
                  and levels.version = history.version
                  and levels.ladder = history.ladder and levels.level = history.earned_level
                where history.policy = {policy} and history.version = {version} and history.quarter = {quarter}
                  and levels.has_conditions and not exists (
                    select 1 from passed where passed.partner_id = history.partner_id
                      and passed.ladder = history.ladder and passed.rank <= levels.rank)
            """),
        ),
        warning(
            "bar_is_in_words",
            "conditions do not say in words what is needed: {sample}",
            no_rows("""
                select ladder, level, condition, count(*) as row_count from candidate.partner_gates
                where coalesce(trim(needed), '') = '' group by ladder, level, condition
            """),
        ),
        critical(
            "no_mail_address",
            "rows hold an @; no address of a person may leave the house: {sample}",
            no_rows("""
                select partner_id, quarter, ladder, level from candidate.partner_gates where {row_holds_at}
            """),
        ),
    ],
)

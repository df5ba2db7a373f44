"""partner_level_history: what must be true of partner_level_history."""

from data_quality.promise import critical, info, never_null, no_rows, rows_at_least, suite


def _moves_without_reason(actions: str, wrong: str) -> str:
    """Partners who move by `actions` with no words for it, or whose earned rank is `wrong` against the level before.

    The level before is what was released, where the quarter before was released. Signed exceptions are their own
    reason, and levels of another policy version have other ranks; both are left out of the comparison.
    """
    return f"""
        with followed as (
          select *,
            lag(version) over whole as version_before,
            lag(coalesce(released_level, held_level)) over whole as level_before,
            lag(exception) over whole as exception_before,
            lag(released_level is null) over whole
              and bool_or(released_in is not null) over (partition by policy, ladder, partner_id) as is_gap_before
          from candidate.partner_level_history
          window whole as (partition by policy, ladder, partner_id order by quarter_end))
        select followed.partner_id, followed.partner_number, followed.ladder, followed.released_action,
          followed.level_before, followed.earned_level, followed.released_level
        from followed
        left join policy.levels as earned on earned.policy = followed.policy and earned.version = followed.version
          and earned.ladder = followed.ladder and earned.level = followed.earned_level
        left join policy.levels as before on before.policy = followed.policy and before.version = followed.version
          and before.ladder = followed.ladder and before.level = followed.level_before
        where followed.quarter = {{quarter}} and followed.policy = {{policy}} and followed.version = {{version}}
          and followed.released_action in ({actions})
          and (coalesce(trim(followed.reasons), '') = '' or coalesce(trim(followed.reason_codes), '') = ''
            or coalesce(trim(followed.released_reasons), '') = ''
            or coalesce(trim(followed.released_reason_codes), '') = ''
            or (followed.version_before = followed.version and not followed.is_gap_before
              and followed.exception is null and followed.exception_before is null
              and earned.rank {wrong} before.rank))
    """


SUITE = suite(
    "partner_level_history",
    place="candidate",
    description=(
        "One row per partner, quarter, policy version and ladder. What was earned, what is held, and the move between."
    ),
    key=["partner_id", "quarter", "policy", "version", "ladder"],
    floor="there_is_a_history",
    promises=[
        critical("there_is_a_history", "the release would hold no history of levels", rows_at_least(1)),
        critical("partner_is_named", "history rows belong to no partner", never_null("partner_id")),
        critical("quarter_is_named", "history rows belong to no quarter", never_null("quarter")),
        critical("policy_is_named", "history rows belong to no policy", never_null("policy")),
        critical("version_is_named", "history rows belong to no policy version", never_null("version")),
        critical("ladder_is_named", "history rows belong to no ladder", never_null("ladder")),
        critical(
            "quarter_stands_once",
            "partners hold two levels of one ladder in one quarter: {sample}",
            no_rows("""
                select partner_id, quarter, policy, version, ladder, count(*) as row_count
                from candidate.partner_level_history
                group by partner_id, quarter, policy, version, ladder having count(*) > 1
            """),
        ),
        critical(
            "partners_are_those_released",
            "partners are released without a history at {quarter}, or have one and are not released: {sample}",
            no_rows("""
                with ladders as (select ladder from policy.ladders where policy = {policy} and version = {version}),
                due as (select partner_id, ladder from candidate.partner_segments cross join ladders),
                found as (
                  select partner_id, ladder from candidate.partner_level_history
                  where quarter = {quarter} and policy = {policy} and version = {version})
                select coalesce(due.partner_id, found.partner_id) as partner_id, coalesce(due.ladder,
                  found.ladder) as ladder,
                  found.partner_id is not null as is_in_history, due.partner_id is not null as is_released
                from due full outer join found on found.partner_id = due.partner_id and found.ladder = due.ladder
                where found.partner_id is null or due.partner_id is null
            """),
        ),
        critical(
            "levels_are_the_policys",
            "earned or held levels are none that their policy knows: {sample}",
            no_rows("""
                select history.partner_id, history.ladder, history.earned_level, history.held_level
                from candidate.partner_level_history as history
                left join policy.levels as earned on earned.policy = history.policy
                  and earned.version = history.version
                  and earned.ladder = history.ladder and earned.level = history.earned_level
                left join policy.levels as held on held.policy = history.policy and held.version = history.version
                  and held.ladder = history.ladder and held.level = history.held_level
                where earned.level is null or held.level is null
            """),
        ),
        critical(
            "action_is_the_move_made",
            "actions do not say what happened between the previous and the held level: {sample}",
            no_rows("""
                with moves as (
                  select history.partner_id, history.quarter, history.ladder, history.action, held.rank as held_rank,
                    held.is_outside as is_out, previous.rank as previous_rank,
                    coalesce(previous.is_outside, true) as was_out,
                    history.previous_level is null or previous.level is not null as is_comparable
                  from candidate.partner_level_history as history
                  left join policy.levels as held on held.policy = history.policy and held.version = history.version
                    and held.ladder = history.ladder and held.level = history.held_level
                  left join policy.levels as previous on previous.policy = history.policy
                    and previous.version = history.version and previous.ladder = history.ladder
                    and previous.level = history.previous_level)
                select partner_id, quarter, ladder, action from moves
                where action is null or is_out is null or (is_comparable and not case action
                  when 'entered' then was_out and not is_out
                  when 'exited' then not was_out and is_out
                  when 'outside' then was_out and is_out
                  when 'promoted' then not was_out and not is_out and held_rank < previous_rank
                  when 'demoted' then not was_out and not is_out and held_rank > previous_rank
                  when 'kept' then not was_out and not is_out and held_rank = previous_rank
                  when 'on_watch' then not was_out and not is_out and held_rank = previous_rank
                  when 'frozen' then not was_out and not is_out and held_rank = previous_rank
                  when 'overridden' then true
                  else false end)
            """),
        ),
        critical(
            "reason_codes_begin_with_the_action",
            "reason codes do not name the action, or an override names no exception: {sample}",
            no_rows("""
                select partner_id, quarter, ladder, action, reason_codes from candidate.partner_level_history
                where reason_codes is null or split_part(reason_codes, ', ', 1) is distinct from action
                  or (action = 'overridden') <> (exception is not null)
            """),
        ),
        critical(
            "released_reasons_are_of_the_released_action",
            "reasons that would be shown are not those of the decision beside them: {sample}",
            no_rows("""
                select partner_id, quarter, ladder, released_action, released_reason_codes, released_reasons
                from candidate.partner_level_history
                where case
                  when released_action is null or released_in is not null
                    then released_reasons is not null or released_reason_codes is not null
                  else released_reasons is null
                    or split_part(released_reason_codes, ', ', 1) is distinct from released_action
                    or (exception is null and not contains(released_reason_codes, 'exception_ended')
                      and (released_action = 'frozen')
                        <> contains(released_reasons, '; frozen: it would fall only because ')) end
            """),
        ),
        critical(
            "exceptions_name_partners",
            "exceptions.yml names partners that are not on the roster: {sample}",
            no_rows("""
                select signed.partner, signed.ladder, signed.level from policy.exceptions as signed
                where not exists (
                  select 1 from candidate.partner_segments as released
                  where signed.partner in (released.partner_number, released.partner_id))
            """),
        ),
        critical(
            "exceptions_are_followed",
            "partners do not have the level that a signed exception gives them: {sample}",
            no_rows("""
                select history.partner_id, history.ladder, history.released_level, signed.level
                from policy.exceptions as signed
                inner join candidate.partner_level_history as history
                  on signed.partner in (history.partner_number, history.partner_id) and history.ladder = signed.ladder
                where history.quarter = {quarter} and history.policy = {policy} and history.version = {version}
                  and (signed.policy is null or signed.policy = {policy})
                  and {quarter_end} <= signed.valid_until and {quarter_end} >= coalesce(signed.valid_from,
                    {quarter_end})
                  and history.released_level is distinct from signed.level
            """),
        ),
        critical(
            "previous_level_was_held",
            "previous levels were not held the quarter before: {sample}",
            no_rows("""
                select partner_id, quarter, ladder, previous_level, held_before from (
                  select *, lag(held_level) over (
                    partition by partner_id, policy, version, ladder order by quarter) as held_before
                  from candidate.partner_level_history)
                where held_before is not null and previous_level is distinct from held_before
            """),
        ),
        critical(
            "dates_and_counts_are_possible",
            "quarters lie ahead, end on the wrong day or count fewer than no reviews: {sample}",
            no_rows("""
                select partner_id, quarter, quarter_end, held_since from candidate.partner_level_history
                where quarter_end is null or quarter > {quarter} or quarter_end > {quarter_end}
                  or (quarter = {quarter}) <> (quarter_end = {quarter_end})
                  or reviews_above < 0 or reviews_below < 0
            """),
        ),
        critical(
            "released_decision_is_complete",
            "decisions on record, or the one of {quarter}, do not say what was decided: {sample}",
            no_rows("""
                select partner_id, quarter, ladder, released_level, released_in from candidate.partner_level_history
                where (released_in is not null or (quarter = {quarter} and policy = {policy} and version = {version}))
                  and (released_level is null or released_action is null)
            """),
        ),
        info(
            "released_decisions_still_stand",
            "facts that came late would decide earlier quarters differently; the released decisions stay: {sample}",
            no_rows("""
                select quarter, ladder, count(*) as partner_count from candidate.partner_level_history
                where policy = {policy} and version = {version} and quarter < {quarter}
                  and released_in is not null and released_level <> held_level
                group by quarter, ladder
            """),
        ),
        critical(
            "no_level_is_larger_than_its_guardrail",
            "levels hold a larger share of the roster than {policy}@{version} allows: {sample}",
            no_rows("""
                select rails.ladder, rails.subject as level,
                  count(*) filter (where history.released_level = rails.subject) as held_count,
                  count(*) as partner_count, rails.value as max_share
                from policy.guardrails as rails
                inner join candidate.partner_level_history as history
                  on history.policy = rails.policy and history.version = rails.version
                    and history.ladder = rails.ladder
                where rails.policy = {policy} and rails.version = {version} and rails.kind = 'max_share'
                  and history.quarter = {quarter}
                group by rails.ladder, rails.subject, rails.value
                having count(*) filter (where history.released_level = rails.subject) > rails.value * count(*)
            """),
        ),
        critical(
            "no_more_moves_than_the_guardrail",
            "a larger share of the roster would move in {quarter} than {policy}@{version} allows at once: {sample}",
            no_rows("""
                with followed as (
                  select *, lag(quarter) over (
                    partition by policy, ladder, partner_id order by quarter_end) as quarter_before
                  from candidate.partner_level_history)
                select rails.ladder, count(*) filter (where history.released_action in ('promoted', 'demoted', 'exited')
                    or (history.released_action = 'entered' and history.quarter_before is not null)) as moved_count,
                  count(*) as partner_count, rails.value as max_share
                from policy.guardrails as rails
                inner join followed as history
                  on history.policy = rails.policy and history.version = rails.version
                    and history.ladder = rails.ladder
                where rails.policy = {policy} and rails.version = {version} and rails.kind = 'max_moves_share'
                  and history.quarter = {quarter}
                group by rails.ladder, rails.value
                having count(*) filter (where history.released_action in ('promoted', 'demoted', 'exited')
                    or (history.released_action = 'entered' and history.quarter_before is not null))
                  > rails.value * count(*)
            """),
        ),
        critical(
            "no_move_down_without_a_reason",
            "partners would lose their level in {quarter} without a reason: none in words, or the review did not earn "
            "a lower level: {sample}",
            no_rows(_moves_without_reason("'demoted', 'exited'", "<=")),
        ),
        critical(
            "no_move_up_without_a_reason",
            "partners would gain a level in {quarter} without a reason: none in words, or the review did not earn a "
            "higher level: {sample}",
            no_rows(_moves_without_reason("'promoted', 'entered'", ">=")),
        ),
        critical(
            "no_promotion_without_what_must_be_known",
            "partners would be promoted while a metric is unknown that {policy}@{version} wants known: {sample}",
            no_rows("""
                with known as (
                  select partner_id, metric from candidate.partner_score_contributions
                  where quarter = {quarter} and value is not null
                  union all
                  select partner_id, subject from candidate.partner_gates
                  where quarter = {quarter} and kind = 'metric' and actual_value is not null
                  union all
                  select partner_id, 'sourced_won_amount' from candidate.partner_segments
                    where sourced_won_amount is not null
                  union all
                  select partner_id, 'influenced_won_amount' from candidate.partner_segments
                  where influenced_won_amount is not null
                  union all
                  select partner_id, 'sourced_pipeline_amount' from candidate.partner_segments
                  where sourced_pipeline_amount is not null)
                select rails.ladder, history.partner_id, history.released_level, rails.subject as metric
                from policy.guardrails as rails
                inner join candidate.partner_level_history as history
                  on history.policy = rails.policy and history.version = rails.version
                    and history.ladder = rails.ladder
                where rails.policy = {policy} and rails.version = {version} and rails.kind = 'no_promotion_without'
                  and history.quarter = {quarter} and history.released_action = 'promoted' and not exists (
                    select 1 from known where known.partner_id = history.partner_id and known.metric = rails.subject)
            """),
        ),
        critical(
            "no_mail_address",
            "rows hold an @; no address of a person may leave the house: {sample}",
            no_rows("""
                select partner_id, quarter, ladder from candidate.partner_level_history where {row_holds_at}
            """),
        ),
    ],
)

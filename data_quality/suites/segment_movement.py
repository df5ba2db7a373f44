"""segment_movement: what must be true of segment_movement."""

from data_quality.promise import critical, never_null, no_rows, one_of, rows_at_least, suite

SUITE = suite(
    "segment_movement",
    place="candidate",
    description=(
        "One row per quarter, policy version, ladder, level left and level reached. Who moved, and with what."
    ),
    key=["quarter", "ladder", "to_level", "action"],
    floor="there_are_movements",
    promises=[
        critical(
            "there_are_movements",
            "the release would hold no movement, not even of partners who stayed",
            rows_at_least(1),
        ),
        critical("quarter_is_named", "movements belong to no quarter", never_null("quarter")),
        critical("ladder_is_named", "movements belong to no ladder", never_null("ladder")),
        critical("level_reached_is_named", "movements lead to no level", never_null("to_level")),
        critical("action_is_named", "movements have no action", never_null("action")),
        critical(
            "action_is_one_of_ours",
            "movements have actions nobody defined: {sample}",
            one_of(
                "action",
                "entered",
                "kept",
                "promoted",
                "demoted",
                "on_watch",
                "frozen",
                "overridden",
                "exited",
                "outside",
            ),
        ),
        critical(
            "movement_stands_once",
            "movements are counted twice: {sample}",
            no_rows("""
                select quarter, ladder, from_level, to_level, action, count(*) as row_count
                  from candidate.segment_movement
                group by quarter, policy, version, ladder, from_level, to_level, action having count(*) > 1
            """),
        ),
        critical(
            "policy_and_quarter_are_known",
            "movements are of no known policy version, or lie ahead of {quarter}: {sample}",
            no_rows("""
                select policy, version, quarter, count(*) as row_count from candidate.segment_movement as movement
                where quarter > {quarter} or not exists (
                  select 1 from policy.policies as policies
                  where policies.policy = movement.policy and policies.version = movement.version)
                group by policy, version, quarter
            """),
        ),
        critical(
            "counts_are_the_historys",
            "movements count other partners than the history: {sample}",
            no_rows("""
                with moved as (
                  select quarter, policy, version, ladder, coalesce(previous_level, '(new)') as from_level,
                    held_level as to_level, action, count(*) as partner_count
                  from candidate.partner_level_history
                  where (policy, version) in (select (policy, version) from candidate.segment_movement)
                  group by all)
                select coalesce(moved.quarter, movement.quarter) as quarter, coalesce(moved.ladder,
                  movement.ladder) as ladder,
                  coalesce(moved.action, movement.action) as action, movement.partner_count
                from moved
                full outer join candidate.segment_movement as movement
                  on movement.quarter = moved.quarter and movement.policy = moved.policy
                    and movement.version = moved.version
                  and movement.ladder = moved.ladder and movement.to_level = moved.to_level
                  and movement.from_level is not distinct from moved.from_level and movement.action = moved.action
                where moved.partner_count is distinct from movement.partner_count
            """),
        ),
        critical(
            "movements_are_all_partners",
            "the movements of {quarter} do not add up to the partners released: {sample}",
            no_rows("""
                select ladders.ladder, coalesce(sum(movement.partner_count), 0) as partner_count,
                  (select count(*) from candidate.partner_segments) as released_count
                from policy.ladders as ladders
                left join candidate.segment_movement as movement
                  on movement.ladder = ladders.ladder and movement.quarter = {quarter}
                  and movement.policy = {policy} and movement.version = {version}
                where ladders.policy = {policy} and ladders.version = {version}
                group by ladders.ladder
                having coalesce(sum(movement.partner_count), 0) <> (select count(*) from candidate.partner_segments)
            """),
        ),
        critical(
            "production_is_the_partners",
            "the movements of a ladder in {quarter} do not add up to the partners' production: {sample}",
            no_rows("""
                select ladder, sum(sourced_won_amount) as sourced_won_amount,
                  (select sum(sourced_won_amount) from candidate.partner_segments) as released_amount
                from candidate.segment_movement where quarter = {quarter} and policy = {policy} and version = {version}
                group by ladder
                having not abs(coalesce(sum(sourced_won_amount), 0)
                  - (select coalesce(sum(sourced_won_amount), 0) from candidate.partner_segments)) < 0.005
            """),
        ),
        critical(
            "no_mail_address",
            "rows hold an @; no address of a person may leave the house: {sample}",
            no_rows("select quarter, ladder from candidate.segment_movement where {row_holds_at}"),
        ),
    ],
)

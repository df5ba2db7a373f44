"""breakers: whether the results themselves look like something that happened, measured against what was released last.

Every input may be in order and the outcome still be absurd. What breaks here refuses the release and keeps the
candidate; a person may look at it and let it out (docs/approving.md). Shares of a ladder that the policy itself
limits, and moves without a reason, are asked of the history (`partner_level_history.py`).

Score distribution shift is the population stability index, PSI = sum over bins of (a - e) ln(a / e): `e` is the share
of partners in a bin at the last release, `a` now. The bins are the tenths of the last release's totals, so each holds
a tenth of the partners unless scores are tied; a bin that nobody is in counts as half a partner. By custom (Siddiqi,
Credit Risk Scorecards, 2006) up to 0.10 is stable, above 0.25 the scores are of other partners than those the rules
were made for. In a small roster chance alone gives more than that: under no shift the PSI of n and m partners is
(1/n + 1/m) times a chi-square with 9 degrees of freedom (Yurdakul and Naranjo, Statistical properties of the population
stability index, 2020). So the limit is the larger of the configured one and that of 95 % (warning) or 99 % (refusal),
and rosters below `score_shift_min_partners` are not asked. Releases under another policy or version are not compared:
other arithmetic gives other scores, and what it changes was simulated before it was approved.
"""

from data_quality.promise import critical, info, never_null, no_rows, rows_at_least, stands_once, suite, warning

# Quantiles of the chi-square distribution with 9 degrees of freedom, for ten bins.
_CHI_SQUARE_95, _CHI_SQUARE_99 = 16.919, 21.666


def _shift(limit: str, chance: float) -> str:
    """The comparisons whose PSI is above the limit and above what chance gives."""
    return f"""
        with before as (
          select compared_with, total_score as score from released.scores
          where policy = {{policy}} and version = {{version}} and total_score is not null),
        now as (
          select total_score as score from candidate.partner_segments
          where quarter = {{quarter}} and total_score is not null),
        edges as (
          select compared_with, count(*) as before_count,
            list_sort(list_distinct(quantile_disc(score, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]))) as edges
          from before group by compared_with),
        bins as (select compared_with, unnest(range(len(edges) + 1)) as bin from edges),
        placed as (
          select before.compared_with, false as is_now,
            len(list_filter(edges.edges, lambda edge: edge < before.score)) as bin
          from before inner join edges on edges.compared_with = before.compared_with
          union all
          select edges.compared_with, true, len(list_filter(edges.edges, lambda edge: edge < now.score))
          from edges cross join now),
        counts as (
          select bins.compared_with, bins.bin, count(placed.bin) filter (where not placed.is_now) as before_count,
            count(placed.bin) filter (where placed.is_now) as now_count
          from bins
          left join placed on placed.compared_with = bins.compared_with and placed.bin = bins.bin
          group by bins.compared_with, bins.bin),
        shares as (
          select *, sum(before_count) over whole as before_total, sum(now_count) over whole as now_total,
            greatest(before_count, 0.5)::double / sum(greatest(before_count, 0.5)) over whole as expected,
            greatest(now_count, 0.5)::double / sum(greatest(now_count, 0.5)) over whole as actual
          from counts window whole as (partition by compared_with)),
        shifts as (
          select compared_with, any_value(before_total) as before_total, any_value(now_total) as now_total,
            sum((actual - expected) * ln(actual / expected)) as psi
          from shares group by compared_with)
        select compared.compared_with, compared.release, round(shifts.psi, 3) as psi,
          round(greatest({{{limit}}}, {chance} * (1 / shifts.before_total + 1 / shifts.now_total)), 3) as "limit"
        from shifts
        inner join {{judged}} as compared on compared.compared_with = shifts.compared_with
        where least(shifts.before_total, shifts.now_total) >= {{score_shift_min_partners}}
          and shifts.psi > greatest({{{limit}}}, {chance} * (1 / shifts.before_total + 1 / shifts.now_total))
    """


# Partners of the last release whose total was known and is unknown now.
_LOST = """
    with scores as (
      select scores.compared_with, scores.partner_id, released.partner_number, scores.total_score as score_before,
        released.total_score is null as is_lost
      from released.scores as scores
      inner join candidate.partner_segments as released on released.partner_id = scores.partner_id
      where scores.policy = {policy} and scores.version = {version} and scores.total_score is not null),
    counted as (
      select *, count(*) over (partition by compared_with) as known_count,
        count(*) filter (where is_lost) over (partition by compared_with) as lost_count
      from scores)
    select partner_id, partner_number, compared_with, score_before from counted where is_lost
"""

# Partners of the last release that are no partners any more, and whose records have not gone on to another one.
_LEFT = """
    with followed as (
      select scores.compared_with, scores.partner_id, scores.partner_number,
        released.partner_id is null and not exists (
          select 1 from candidate.identity_changes as changes
          where changes.change = 'merged' and changes.from_partner_id = scores.partner_id) as has_left
      from released.scores as scores
      left join candidate.partner_segments as released on released.partner_id = scores.partner_id),
    counted as (
      select *, count(*) over (partition by compared_with) as partners_before,
        count(*) filter (where has_left) over (partition by compared_with) as left_count
      from followed)
    select partner_id, partner_number, compared_with, left_count, partners_before from counted
    where has_left and left_count > greatest({max_left_partners_share} * partners_before, 2)
"""

SUITE = suite(
    "breakers",
    place="warehouse",
    table="released.compared",
    description=(
        "One row per comparison of the candidate with what is on record: the newest release of an earlier quarter, and "
        "the newest of the same quarter. Columns of a release that there is not are open."
    ),
    key=["compared_with"],
    floor="both_comparisons_are_laid",
    promises=[
        critical(
            "both_comparisons_are_laid",
            "the releases on record were not read back, so nothing can be compared with them",
            rows_at_least(2, at_most=2),
        ),
        critical("comparison_is_named", "comparisons have no name", never_null("compared_with")),
        critical("comparison_stands_once", "comparisons stand twice: {sample}", stands_once("compared_with")),
        critical(
            "last_release_was_read_back_whole",
            "releases on record hold another number of partners than they were released with: {sample}",
            no_rows("""
                select compared.compared_with, compared.release, compared.partner_count,
                  count(scores.partner_id) as found
                from {judged} as compared
                left join released.scores as scores on scores.compared_with = compared.compared_with
                where compared.release is not null
                group by all having compared.partner_count is distinct from count(scores.partner_id)
            """),
        ),
        critical(
            "scores_are_distributed_as_before",
            "the total scores of {quarter} are distributed otherwise than in the last release (PSI above the limit); "
            "look for a source that changed its unit or lost a part: {sample}",
            no_rows(_shift("score_shift_limit", _CHI_SQUARE_99)),
        ),
        warning(
            "scores_drift_slowly",
            "the total scores of {quarter} have drifted since the last release (PSI above the limit): {sample}",
            no_rows(_shift("score_shift_warning", _CHI_SQUARE_95)),
        ),
        info(
            "scores_can_be_compared",
            "a release on record was made under another policy or version than {policy}@{version}, so its scores are "
            "not compared: {sample}",
            no_rows("""
                select compared_with, release, policy, version from {judged}
                where release is not null and (policy <> {policy} or version <> {version})
            """),
        ),
        critical(
            "few_partners_lost_their_score",
            "more partners than {max_lost_scores_share} of those who had a score have none now; look for a source that "
            "no longer knows them: {sample}",
            no_rows(_LOST + " and lost_count > greatest({max_lost_scores_share} * known_count, 2)"),
        ),
        warning(
            "no_partner_lost_its_score",
            "partners who had a score in the last release have none now: {sample}",
            no_rows(_LOST),
        ),
        critical(
            "few_partners_left",
            "more than {max_left_partners_share} of the partners of the last release are no partners now; look for a "
            "source that no longer knows them or calls them partners: {sample}",
            no_rows(_LEFT),
        ),
        critical(
            "moves_are_fewer_than_usual_limits",
            "a larger share of the roster than {max_moves_share} would move in {quarter} on a ladder for which "
            "{policy}@{version} says no limit: {sample}",
            no_rows("""
                with followed as (
                  select *, lag(quarter) over (
                    partition by policy, ladder, partner_id order by quarter_end) as quarter_before
                  from candidate.partner_level_history)
                select ladder, count(*) filter (where released_action in ('promoted', 'demoted', 'exited')
                    or (released_action = 'entered' and quarter_before is not null)) as moved_count,
                  count(*) as partner_count
                from followed
                where policy = {policy} and version = {version} and quarter = {quarter}
                  and exists (select 1 from {judged} where compared_with = 'quarter_before' and policy = {policy})
                  and not exists (
                    select 1 from policy.guardrails as rails
                    where rails.policy = {policy} and rails.version = {version} and rails.kind = 'max_moves_share'
                      and rails.ladder = followed.ladder)
                group by ladder
                having count(*) filter (where released_action in ('promoted', 'demoted', 'exited')
                    or (released_action = 'entered' and quarter_before is not null))
                  > greatest({max_moves_share} * count(*), 2)
            """),
        ),
        critical(
            "released_quarters_are_as_on_record",
            "levels of earlier quarters are not those that were released then; what was decided is never rewritten: "
            "{sample}",
            no_rows("""
                select history.partner_id, history.partner_number, history.quarter, history.ladder,
                  history.released_level, decisions.level as level_on_record, decisions.release
                from released.decisions as decisions
                inner join deployment.quarters as quarters on quarters.quarter_index = decisions.quarter_index
                inner join candidate.partner_level_history as history
                  on history.policy = decisions.policy and history.ladder = decisions.ladder
                  and history.partner_id = decisions.partner_id and history.quarter = quarters.quarter
                where history.exception is null and decisions.action <> 'overridden'
                  and (history.released_level is distinct from decisions.level
                    or history.released_in is distinct from decisions.release)
            """),
        ),
    ],
)

{%- macro max_levels() -%}{{ return(12) }}{%- endmacro -%}

{#-
  Movement as a fold over a partner's quarters, one text per review: `qqq` (quarter) and, as two digits each, the rank
  earned, reached with raised bars, kept with lowered bars, and possible (lowered bars, whatever is doubtful counting as
  held); 11 characters of a recorded decision or blanks; and the rules of the version in force: promote_after,
  demote_after, max_up, max_down, grace (two digits each), freeze (1 or 0) and whether a hold is over by itself (N: there
  is none, or this review is where it ends; A: only at an anniversary; Y: not at this review).

  Each step appends 11 characters of state: held rank, reviews above, reviews below (two digits each), an action, age
  (reviews since the level held began) and tenure (reviews since the partner entered). Actions: E entered, K kept,
  P promoted, D demoted, W on watch, H on watch and held until its time, F frozen, G kept as a new partner, X exited,
  O outside. Ages stand for quarters of a year, so above 95 they start again at 92 and keep their remainder.

  Texts, because engines disagree on structs in folds; one fold, because recursion does not travel. What each action
  means is in docs/scoring.md; the rules apply in the order of the branches.
-#}
{%- macro state_width() -%}{{ return(11) }}{%- endmacro -%}

{%- macro movement_step(outside) -%}
{%- set earned = number_at('x', 4) -%}
{%- set raised = number_at('x', 6) -%}
{%- set lowered = number_at('x', 8) -%}
{%- set possible = number_at('x', 10) -%}
{%- set promote_after = number_at('x', 23) -%}
{%- set demote_after = number_at('x', 25) -%}
{%- set max_up = number_at('x', 27) -%}
{%- set max_down = number_at('x', 29) -%}
{%- set grace = number_at('x', 31) -%}
{%- set held = number_at('acc', 'length(acc) - 10') -%}
{%- set above = number_at('acc', 'length(acc) - 8') -%}
{%- set below = number_at('acc', 'length(acc) - 6') -%}
{%- set age = number_at('acc', 'length(acc) - 3') -%}
{%- set tenure = number_at('acc', 'length(acc) - 1') -%}
{%- set older = two_digits('case when ' ~ age ~ ' >= 95 then 92 + (' ~ age ~ ' + 1) % 4 else ' ~ age ~ ' + 1 end') -%}
{%- set tenured = two_digits('least(98, ' ~ tenure ~ ' + 1)') -%}
{%- set more_below = two_digits('least(98, ' ~ below ~ ' + 1)') -%}
acc || case
        when substr(x, 12, 1) <> ' ' then substr(x, 12, 11)
        when acc = '' and {{ earned }} = {{ outside }} then {{ two_digits(outside) }} || '0000O0000'
        when acc = '' then {{ two_digits(earned) }} || '0000E0000'
        when {{ held }} = {{ outside }} and {{ earned }} = {{ outside }} then {{ two_digits(outside) }} || '0000O' || {{ older }} || '00'
        when {{ held }} = {{ outside }} then {{ two_digits(earned) }} || '0000E0000'
        when {{ raised }} < {{ held }} and {{ above }} + 1 >= {{ promote_after }}
            then {{ two_digits('greatest(' ~ raised ~ ', ' ~ held ~ ' - ' ~ max_up ~ ')') }} || '0000P00' || {{ tenured }}
        when {{ raised }} < {{ held }}
            then {{ two_digits(held) }} || {{ two_digits('least(98, ' ~ above ~ ' + 1)') }} || '00K' || {{ older }} || {{ tenured }}
        when {{ lowered }} > {{ held }} and substr(x, 33, 1) = '1' and {{ possible }} <= {{ held }}
            then {{ two_digits(held) }} || '00' || {{ two_digits(below) }} || 'F' || {{ older }} || {{ tenured }}
        when {{ lowered }} > {{ held }} and {{ tenure }} + 1 <= {{ grace }}
            then {{ two_digits(held) }} || '0000G' || {{ older }} || {{ tenured }}
        when {{ lowered }} > {{ held }} and {{ below }} + 1 < {{ demote_after }}
            then {{ two_digits(held) }} || '00' || {{ more_below }} || 'W' || {{ older }} || {{ tenured }}
        when {{ lowered }} > {{ held }}
            and (substr(x, 34, 1) = 'Y' or (substr(x, 34, 1) = 'A' and ({{ age }} + 1) % 4 <> 0))
            then {{ two_digits(held) }} || '00' || {{ more_below }} || 'H' || {{ older }} || {{ tenured }}
        when {{ lowered }} > {{ held }} and {{ lowered }} = {{ outside }} then {{ two_digits(outside) }} || '0000X0000'
        when {{ lowered }} > {{ held }}
            then {{ two_digits('least(' ~ lowered ~ ', ' ~ held ~ ' + ' ~ max_down ~ ')') }} || '0000D00' || {{ tenured }}
        else {{ two_digits(held) }} || '0000K' || {{ older }} || {{ tenured }}
    end
{%- endmacro -%}

{#- A number of two digits inside a text. -#}
{%- macro number_at(text, position) -%}cast(substr({{ text }}, {{ position }}, 2) as integer){%- endmacro -%}

{%- macro two_digits(number) -%}
lpad(cast(least(99, {{ number }}) as varchar), 2, '0')
{%- endmacro -%}

{#- The words for the action characters. -#}
{%- macro action_in_words(character) -%}
case {{ character }}
        when 'E' then 'entered' when 'K' then 'kept' when 'P' then 'promoted' when 'D' then 'demoted'
        when 'W' then 'on_watch' when 'H' then 'on_watch' when 'F' then 'frozen' when 'G' then 'kept'
        when 'X' then 'exited' when 'O' then 'outside'
    end
{%- endmacro -%}

{#- The action of a decision with exceptions laid over it: also their end can move a partner. -#}
{%- macro decided_action(rank, previous, replayed) -%}
case
        when exception is not null then 'overridden'
        when previous_exception is null or {{ rank }} = {{ previous }} then {{ replayed }}
        when {{ rank }} = coalesce(outside_rank, 99) then 'exited'
        when {{ previous }} = coalesce(outside_rank, 99) then 'entered'
        when {{ rank }} < {{ previous }} then 'promoted'
        else 'demoted'
    end
{%- endmacro -%}

{#- The rank at which a state is frozen; NULL for one that is not. -#}
{%- macro frozen_rank(state) -%}
case when substr({{ state }}, 7, 1) = 'F' then cast(substr({{ state }}, 1, 2) as integer) end
{%- endmacro -%}

{#- The action of a decision and what shaped it. Restated and released decisions are told in the same way, each by its state. -#}
{%- macro reason_codes(state, rank, previous, replayed, replayed_rank, freeze_codes) -%}
{{ decided_action(rank, previous, replayed) }}
    || case when exception is null and previous_exception is not null and {{ rank }} <> {{ previous }} then ', exception_ended' else '' end
    || case substr({{ state }}, 7, 1)
        when 'F' then ', ' || coalesce({{ freeze_codes }}, 'unknown_value') when 'G' then ', new_partner_grace' when 'H' then ', hold_until' else ''
    end
    || case
        when substr({{ state }}, 7, 1) = 'K' and cast(substr({{ state }}, 3, 2) as integer) > 0 then ', awaiting_promotion'
        when substr({{ state }}, 7, 1) = 'K' and {{ replayed_rank }} <> earned_rank then ', within_buffer'
        when substr({{ state }}, 7, 1) = 'P' and {{ replayed_rank }} > raised_rank then ', step_limit'
        when substr({{ state }}, 7, 1) = 'D' and {{ replayed_rank }} < lowered_rank then ', step_limit'
        else ''
    end
    || case when earned_rank > reached_rank then ', level_full' else '' end
    || case when is_trackless then ', no_track' when is_scoreless then ', score_unknown' else '' end
{%- endmacro -%}

{#- The same in words that go on from why the level was earned: `action` and ranks of the decision, its rules in `m`. -#}
{%- macro decision_in_words(state, action, rank, frozen_because) -%}
{%- set letter = 'substr(' ~ state ~ ', 7, 1)' -%}
{%- set above = 'cast(substr(' ~ state ~ ', 3, 2) as integer)' -%}
{%- set below = 'cast(substr(' ~ state ~ ', 5, 2) as integer)' -%}
case
        when h.exception is not null then '; by exception: ' || h.exception
        when {{ letter }} = 'F'
            then '; frozen: it would fall only because ' || coalesce({{ frozen_because }}, 'a value is unknown')
        when {{ letter }} = 'G' then '; kept: the first ' || cast(m.new_partner_grace as varchar)
            || ' reviews of a new partner move nobody down'
        when {{ letter }} = 'H' then '; on watch: below the level held, which is kept until '
            || case when m.hold_until = 'anniversary' then 'its anniversary' else 'the end of the policy year' end
        when {{ action }} = 'on_watch' then '; on watch: ' || cast({{ below }} as varchar) || ' of '
            || cast(m.demote_after as varchar) || ' reviews below the level held'
        when {{ above }} > 0 then '; ' || cast({{ above }} as varchar) || ' of '
            || cast(m.promote_after as varchar) || ' reviews above the level held'
        when {{ rank }} < h.earned_rank and {{ action }} = 'kept' then '; kept: within the buffer below the bar'
        when {{ rank }} > h.earned_rank and {{ action }} = 'kept' then '; not raised: within the buffer above the bar'
        else ''
    end
{%- endmacro -%}

{#- What there was, of a row of condition results `r` and its condition `c`, as people read it. -#}
{%- macro actual_in_words(c, r) -%}
case
        when {{ c }}.kind = 'top_share' then coalesce(
            'place ' || cast(cast({{ r }}.actual_value as integer) as varchar) || ' of ' || cast({{ r }}.population as varchar),
            'not among those compared'
        )
        when {{ c }}.kind = 'attribute' then coalesce({{ r }}.actual_text, 'unknown')
        else coalesce({{ number_in_words(r ~ '.actual_value') }}, 'unknown')
    end
{%- endmacro -%}

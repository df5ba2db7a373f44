{%- macro max_levels() -%}{{ return(12) }}{%- endmacro -%}

{#-
  Movement as a fold over a partner's quarters. Each quarter is a text `qqq` (quarter) `ee` (earned rank) `uu` (rank
  reached with raised bars) `dd` (rank kept with lowered bars), 7 characters of a recorded decision or blanks, and the rules of
  the version in force (`promote_after`, `demote_after`, `max_up`, `max_down`, two digits each); each step appends 7 characters of state: `hh` (held rank) `uu` (reviews above) `dd` (reviews below) and an action:
  E entered, K kept, P promoted, D demoted, W on_watch, X exited, O outside.
  Texts, because engines disagree on structs in folds; one fold, because recursion does not travel.

  Rules. Someone outside enters at the earned level. Up: `promote_after` reviews in a row above the raised bar, at most
  `max_up` levels. Down: `demote_after` reviews in a row below the lowered bar, at most `max_down` levels; until then
  on watch. Out: when no level's lowered bar holds and it is the `demote_after`th review in a row below the level held;
  leaving the programme is neither up nor down, so the step limit does not apply.
-#}
{%- macro movement_step(promote_after, demote_after, max_up, max_down, outside) -%}
{%- set earned = "cast(substr(x, 4, 2) as integer)" -%}
{%- set raised = "cast(substr(x, 6, 2) as integer)" -%}
{%- set lowered = "cast(substr(x, 8, 2) as integer)" -%}
{%- set held = "cast(substr(acc, length(acc) - 6, 2) as integer)" -%}
{%- set above = "cast(substr(acc, length(acc) - 4, 2) as integer)" -%}
{%- set below = "cast(substr(acc, length(acc) - 2, 2) as integer)" -%}
acc || case
        when substr(x, 10, 7) <> '       ' then substr(x, 10, 7)
        when (acc = '' or {{ held }} = {{ outside }}) and {{ earned }} = {{ outside }}
            then {{ two_digits(outside) }} || '0000O'
        when acc = '' or {{ held }} = {{ outside }} then {{ two_digits(earned) }} || '0000E'
        when {{ lowered }} = {{ outside }} and {{ below }} + 1 >= {{ demote_after }} then {{ two_digits(outside) }} || '0000X'
        when {{ raised }} < {{ held }} and {{ above }} + 1 >= {{ promote_after }}
            then {{ two_digits('greatest(' ~ raised ~ ', ' ~ held ~ ' - ' ~ max_up ~ ')') }} || '0000P'
        when {{ raised }} < {{ held }} then {{ two_digits(held) }} || {{ two_digits(above ~ ' + 1') }} || '00K'
        when {{ lowered }} > {{ held }} and {{ lowered }} <> {{ outside }} and {{ below }} + 1 >= {{ demote_after }}
            then {{ two_digits('least(' ~ lowered ~ ', ' ~ held ~ ' + ' ~ max_down ~ ')') }} || '0000D'
        when {{ lowered }} > {{ held }} then {{ two_digits(held) }} || '00' || {{ two_digits(below ~ ' + 1') }} || 'W'
        else {{ two_digits(held) }} || '0000K'
    end
{%- endmacro -%}

{#- One of the rules' numbers inside a quarter's text. -#}
{%- macro rule_at(position) -%}cast(substr(x, {{ position }}, 2) as integer){%- endmacro -%}

{%- macro two_digits(number) -%}
lpad(cast(least(99, {{ number }}) as varchar), 2, '0')
{%- endmacro -%}

{#- The words for the action characters. -#}
{%- macro action_in_words(character) -%}
case {{ character }}
        when 'E' then 'entered' when 'K' then 'kept' when 'P' then 'promoted' when 'D' then 'demoted'
        when 'W' then 'on_watch' when 'X' then 'exited' when 'O' then 'outside'
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

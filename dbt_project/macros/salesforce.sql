{#- What the staging models of Salesforce share. Tables come in as arguments: only staging reads sources. -#}

{#-
  Merged accounts and their survivors; a survivor may have been merged into another one, so three steps are looked at.
  What pointed at a merged account is pointed at the survivor, also where the org has not done so itself.
-#}
{%- macro salesforce_merges(accounts) -%}
select
        a.source,
        a.id,
        max(coalesce(c.master_record_id, b.master_record_id, a.master_record_id)) as survivor_id
    from {{ accounts }} as a
    left join {{ accounts }} as b
        on a.source = b.source and a.master_record_id = b.id and b.master_record_id is not null
    left join {{ accounts }} as c
        on b.source = c.source and b.master_record_id = c.id and c.master_record_id is not null
    where a.master_record_id is not null
    group by a.source, a.id
{%- endmacro -%}

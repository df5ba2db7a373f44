{{ config(**set_aside_config('account_overlaps')) }}

with unioned as (
    {{ union_entity('account_overlaps') }}
),

facts as (
    select
        f.*,
        p.source_id as known_partner_id
    from unioned as f
    left join {{ ref('int_source_partners') }} as p on f.source = p.source and f.partner_id = p.source_id
),

{{ set_aside('account_overlaps', 'facts', [
    ('missing_id', "source_id is null", "'the row has no id'"),
    ('wrong_type', "failed_casts <> ''", "failed_casts"),
    ('matched_in_future', "matched_at > extracted_at + interval '1' day", "'matched at ' || cast(matched_at as varchar) || ', after the export was taken'"),
    ('account_missing', "own_account_id is null and domain is null", "'names neither our account nor its domain'"),
    ('unknown_partner', "known_partner_id is null", "'points at partner ' || coalesce(partner_id, '(none)') || ', which is not there or was set aside'")
]) }}

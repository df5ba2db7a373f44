{{ config(**set_aside_config('business_plans')) }}

with unioned as (
    {{ union_entity('business_plans') }}
),

facts as (
    select
        f.*,
        p.source_id as known_partner_id
    from unioned as f
    left join {{ ref('int_source_partners') }} as p on f.source = p.source and f.partner_id = p.source_id
),

{{ set_aside('business_plans', 'facts', [
    ('missing_id', "source_id is null", "'the row has no id'"),
    ('wrong_type', "failed_casts <> ''", "failed_casts"),
    ('ends_before_it_starts', "period_end < period_start", "'ends on ' || cast(period_end as varchar) || ', before it starts'"),
    ('unknown_partner', "known_partner_id is null", "'points at partner ' || coalesce(partner_id, '(none)') || ', which is not there or was set aside'")
]) }}

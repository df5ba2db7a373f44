{{ config(**set_aside_config('transactions')) }}

with unioned as (
    {{ union_entity('transactions') }}
),

facts as (
    select
        f.*,
        p.source_id as known_partner_id
    from unioned as f
    left join {{ ref('int_source_partners') }} as p on f.source = p.source and f.partner_id = p.source_id
),

{{ set_aside('transactions', 'facts', [
    ('missing_id', "source_id is null", "'the row has no id'"),
    ('wrong_type', "failed_casts <> ''", "failed_casts"),
    ('made_in_future', "transaction_date > cast(extracted_at as date) + 1", "'made on ' || cast(transaction_date as varchar) || ', after the export was taken'"),
    ('date_missing', "transaction_date is null", "'the transaction has no date'"),
    ('unknown_partner', "known_partner_id is null", "'points at partner ' || coalesce(partner_id, '(none)') || ', which is not there or was set aside'")
]) }}

-- Whoever cannot say that a record was not there, as the releases before that was told, says that it was.
select
    source, source_id, partner_id, partner_number, kind, record_name, rule, known_since,
    coalesce(is_present, true) as is_present
from {{ source('released', 'identities') }}

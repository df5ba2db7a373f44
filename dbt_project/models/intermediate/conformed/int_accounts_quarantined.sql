{{ config(materialized='view', schema='quarantine', alias='accounts') }}

select source, source_id, reject_reason, reject_detail, extracted_at, load_id, file_name, file_row
from {{ ref('int_accounts_set_aside') }}
where reject_reason not in {{ harmless_reasons() }}

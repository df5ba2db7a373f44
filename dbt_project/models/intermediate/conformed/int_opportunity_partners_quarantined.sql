{{ config(materialized='view', schema='quarantine', alias='opportunity_partners') }}

select source, source_id, reject_reason, reject_detail, extracted_at, load_id, file_name, file_row
from {{ ref('int_opportunity_partners_set_aside') }}
where reject_reason not in {{ harmless_reasons() }}

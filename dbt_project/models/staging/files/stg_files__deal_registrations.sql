{{ config(materialized='ephemeral') }}

{{ staged_file('deal_registrations') }}

{{ config(materialized='ephemeral') }}

{{ staged_file('csat_responses') }}

{{ config(materialized='ephemeral') }}

{{ staged_file('partners') }}

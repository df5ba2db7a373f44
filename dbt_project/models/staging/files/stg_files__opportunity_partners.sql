{{ config(materialized='ephemeral') }}

{{ staged_file('opportunity_partners') }}

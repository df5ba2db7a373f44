{{ config(materialized='ephemeral') }}

{{ staged_file('opportunity_stage_changes') }}

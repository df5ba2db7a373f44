{{ config(materialized='ephemeral') }}

{{ staged_file('program_memberships') }}

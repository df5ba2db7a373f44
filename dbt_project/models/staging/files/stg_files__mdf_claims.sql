{{ config(materialized='ephemeral') }}

{{ staged_file('mdf_claims') }}

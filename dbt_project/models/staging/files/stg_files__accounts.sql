{{ config(materialized='ephemeral') }}

{{ staged_file('accounts') }}

{{ config(materialized='ephemeral') }}

{{ staged_file('account_overlaps') }}

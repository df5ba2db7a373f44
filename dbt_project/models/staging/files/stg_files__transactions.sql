{{ config(materialized='ephemeral') }}

{{ staged_file('transactions') }}

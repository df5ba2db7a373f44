{{ config(materialized='ephemeral') }}

{{ staged_file('exchange_rates') }}

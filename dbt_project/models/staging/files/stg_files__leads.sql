{{ config(materialized='ephemeral') }}

{{ staged_file('leads') }}

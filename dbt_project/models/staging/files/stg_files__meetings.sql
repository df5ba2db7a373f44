{{ config(materialized='ephemeral') }}

{{ staged_file('meetings') }}

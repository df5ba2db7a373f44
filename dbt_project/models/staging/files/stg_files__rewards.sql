{{ config(materialized='ephemeral') }}

{{ staged_file('rewards') }}

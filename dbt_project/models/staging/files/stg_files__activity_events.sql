{{ config(materialized='ephemeral') }}

{{ staged_file('activity_events') }}

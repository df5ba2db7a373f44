{{ config(materialized='ephemeral') }}

{{ staged_file('overlap_counts') }}

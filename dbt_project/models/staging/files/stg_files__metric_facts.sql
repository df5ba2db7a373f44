{{ config(materialized='ephemeral') }}

{{ staged_file('metric_facts') }}

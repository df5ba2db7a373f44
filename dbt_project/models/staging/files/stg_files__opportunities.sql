{{ config(materialized='ephemeral') }}

{{ staged_file('opportunities') }}

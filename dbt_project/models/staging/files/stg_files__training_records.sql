{{ config(materialized='ephemeral') }}

{{ staged_file('training_records') }}

{{ config(materialized='ephemeral') }}

{{ union_entity('rejected_lines') }}

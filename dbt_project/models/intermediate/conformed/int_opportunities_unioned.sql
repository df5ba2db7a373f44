{{ config(materialized='ephemeral') }}

{{ union_entity('opportunities') }}

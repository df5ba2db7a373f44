{{ config(materialized='ephemeral') }}

{{ union_entity('accounts') }}

{{ config(materialized='ephemeral') }}

{{ union_entity('opportunity_partners') }}

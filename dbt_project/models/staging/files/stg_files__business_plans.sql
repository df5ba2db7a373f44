{{ config(materialized='ephemeral') }}

{{ staged_file('business_plans') }}

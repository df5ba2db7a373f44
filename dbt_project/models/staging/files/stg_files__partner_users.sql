{{ config(materialized='ephemeral') }}

{{ staged_file('partner_users') }}

{#- What vendors say a ticker stands for as of their download: permanent id, name, type, exchange, sector. Of several
    vendors the first in var company_vendors that says something speaks, field by field; an industry goes with its
    sector.
    Grain: one row per ticker. Source: the vendors of var company_vendors. -#}

with

companies as (

    {% for vendor in var('company_vendors') -%}
    select
        '{{ vendor }}' as vendor,
        {{ loop.index }} as vendor_order,
        *

    from {{ ref('stg_' ~ vendor ~ '__companies') }}
    {{- ' union all by name ' if not loop.last }}
    {%- endfor %}

)

select
    ---------- keys; a permanent id is good for the vendor's own files
    ticker,
    min_by(permanent_id, vendor_order) filter (where permanent_id is not null) as permanent_id,
    min_by(vendor, vendor_order) filter (where permanent_id is not null) as permanent_id_vendor,

    ---------- point in time
    min(known_at) as known_at,
    bool_or(is_snapshot) as is_snapshot,

    ---------- what it is
    min_by(company_name, vendor_order) filter (where company_name is not null) as company_name,
    min_by(security_type, vendor_order) filter (where security_type is not null) as security_type,
    min_by(exchange, vendor_order) filter (where exchange is not null) as exchange,
    min_by(sector, vendor_order) filter (where sector is not null) as sector,
    arg_min_null(industry, vendor_order) filter (where sector is not null) as industry

from companies

group by ticker

order by ticker

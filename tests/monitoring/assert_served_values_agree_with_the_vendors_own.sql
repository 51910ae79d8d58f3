{#- Returns checks in which more than a twentieth of what is served differs from the vendor's own figure for the same
    thing. What a vendor restates later is no error of ours and is left out. A warning and no failure: the vendor may be
    wrong, and a share count in doubt is served as none. -#}

{{ config(severity='warn') }}

select *

from {{ ref('vendor_cross_checks') }}

where
    check_name <> 'restated_quarter'
    and differing_rows > 0.05 * compared_rows

{#- What each lookahead proof of this market compared, and what it found: builds of the whole market and of attacked
    copies of its files, held against each other by the bit (docs/decisions/0022).
    Grain: one row per proved_at, attack, cut_date, model_name and column_name. Source: the state, which kairos prove adds
    to. -#}

select
    ---------- keys
    proved_at,
    attack,
    cut_date,
    model_name,
    column_name,

    ---------- of which code
    code_version,

    ---------- what was compared, and what differed
    rows_compared,
    rows_different,
    first_difference

from {{ source('state', 'proof_results') }}

order by proved_at, attack, cut_date, model_name, column_name

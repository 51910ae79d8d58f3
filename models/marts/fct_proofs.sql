{#- Every lookahead proof of this market, column by column: what was compared at the cut, and what differed.
    Grain: one row per (proved_at, attack, cut_date, model_name, column_name). Source: proof_results. -#}

with

results as (

    select * from {{ ref('proof_results') }}

),

final as (

    select
        proved_at,
        attack,
        cut_date,
        model_name,
        column_name,
        code_version,
        rows_compared,
        rows_different,
        first_difference

    from results

)

select * from final
order by proved_at, attack, cut_date, model_name, column_name

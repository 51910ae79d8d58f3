{#- Returns dates, from an alpha's first effective date on, whose members are not all scored, each once, by the newest
    fit with effective_date not after the date; and fits that learned from the date they serve or later. -#}

with

dates as (

    select
        as_of_date,
        count(*) as members
    from {{ ref('ml_panel') }}
    group by as_of_date

),

served as (

    select
        dates.as_of_date,
        dates.members,
        fits.alpha_name,
        fits.fit_id,
        fits.train_end_date
    from dates
    inner join {{ ref('ml_served_fits') }} as fits on dates.as_of_date >= fits.effective_date
    qualify row_number() over (
        partition by dates.as_of_date, fits.alpha_name order by fits.effective_date desc
    ) = 1

),

scored as (

    select
        alpha_name,
        as_of_date,
        fit_id,
        count(score) as scores
    from {{ ref('ml_predictions') }}
    group by all

)

select
    coalesce(served.alpha_name, scored.alpha_name) as alpha_name,
    coalesce(served.as_of_date, scored.as_of_date) as as_of_date,
    served.fit_id as due_fit_id,
    scored.fit_id as scored_fit_id,
    served.members,
    scored.scores
from served
full join scored
    on
        served.alpha_name = scored.alpha_name
        and served.as_of_date = scored.as_of_date
where
    served.fit_id is distinct from scored.fit_id
    or served.members is distinct from scored.scores
    or served.train_end_date >= served.as_of_date

-- Returns rows when an EMA or a Wilder average of decayed_sums is not the recursion it names, run by run: runs of 700,
-- 3 and 40 rows lie behind each other, so terms of another run would show, and the long one is longer than the terms
-- that are kept.

with recursive

numbers as (

    select
        run,
        row_in_run::integer as row_in_run,
        row_number() over (order by run, row_in_run) as i,
        run * 1000 + sin(row_in_run * row_in_run)::double as x

    from (values (1, 700), (2, 3), (3, 40)) as runs (run, length), range(1, length + 1) as r (row_in_run)

),

terms as (

    select
        *,
        {{ ema_term('x', 26) }} as ema,
        x * {{ wilder_weight(14, first=3) }} as wilder

    from (from numbers order by i)

),

{{ decayed_sums('terms', {'ema': 25 / 27, 'wilder': 13 / 14}) }}

seeds as (

    select
        run,
        avg(x) filter (where row_in_run between 3 and 16) as seed

    from numbers
    group by run

),

averages as (

    select
        run,
        row_in_run,
        x as ema,
        0.0::double as wilder

    from numbers
    where row_in_run = 1

    union all

    select
        numbers.run,
        numbers.row_in_run,
        averages.ema + 2 / 27.0::double * (numbers.x - averages.ema) as ema,
        case
            when numbers.row_in_run = 16 then seeds.seed
            when numbers.row_in_run > 16 then averages.wilder + (numbers.x - averages.wilder) / 14
            else 0
        end as wilder

    from averages
    inner join numbers on averages.run = numbers.run and averages.row_in_run + 1 = numbers.row_in_run
    inner join seeds on averages.run = seeds.run

)

select
    averages.*,
    terms_decayed.ema_decayed,
    terms_decayed.wilder_decayed

from averages
left join terms_decayed on averages.run = terms_decayed.run and averages.row_in_run = terms_decayed.row_in_run
where
    terms_decayed.run is null
    or abs(terms_decayed.ema_decayed - averages.ema) > 1e-12 * averages.ema
    or (averages.row_in_run >= 16 and abs(terms_decayed.wilder_decayed - averages.wilder) > 1e-12 * averages.wilder)
    or (averages.row_in_run < 3 and terms_decayed.wilder_decayed != 0)

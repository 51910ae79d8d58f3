{#- Condition on daily rows, for the where clause of whatever a feature family reads row by row: the rows this build has
    to read in order to compute what is new. In a full build, and for anybody else who reads the same view, it is true,
    and the optimizer leaves it out. Where only new sessions are computed it keeps those, the `lookback` sessions before
    them (how far the windows over the relation reach: a window of n rows reaches n - 1 back), and all rows of the
    securities whose past has changed. It keeps the order, so windows go on streaming; what they give inside the lookback
    is not used. Positional joins need the same lookback on each side.

    The materialization feature_family says what is new, in session variables: sessions_back, a list of dates of which
    the first is the first new session and the others are the sessions before it, newest first; renewed, a list of
    security_id. (A search in a list and not IN, which DuckDB turns into a join, after which windows no longer stream.)

    A condition on the date alone is part of the scan; it is more only where there are securities to renew. DuckDB then
    lets small chunks of filtered rows wait while large ones go by, on their way to either side of a positional join (the
    sort of what is inserted asks for no order of the left one), unless a streaming window is on that way. A table that
    goes there without one, in a family that renews securities (families that compare names do not, they are made anew),
    says by_position, in the clause qualify: the condition brings a window.

    A family that reads it is built after int_feature_rows; a view it reads says is_view.
    Example: from {{ "{{ ref('int_prices') }} where {{ rows_to_compute(lookback=252) }}" }} -#}
{% macro rows_to_compute(lookback=0, is_view=false, by_position=false) -%}
    {%- if model.resource_type == 'model' and not is_view -%}
        {%- do ref('int_feature_plan' if model.name == 'int_feature_rows' else 'int_feature_rows') -%}
    {%- endif -%}
    {%- set since = "as_of_date >= coalesce(getvariable('sessions_back')[%d], date '0001-01-01')" % (lookback + 1) -%}
    case
        when getvariable('sessions_back') is null then true
        when len(getvariable('renewed')) > 0
            then {{ 'lag(security_id, 1, 0) over () is not null and ' if by_position -}}
            ({{ since }} or list_position(getvariable('renewed'), security_id) > 0)
        else {{ since }}
    end
{%- endmacro %}

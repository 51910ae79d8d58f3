{#- Materialization of the families of features and of int_feature_rows: a table that a build adds to instead of making it
    anew, with the bits a full refresh gives (docs/decisions/0014). By what int_feature_plan says is new since the table
    was built, a build
      - does nothing, when nothing is;
      - adds a batch: the rows of new sessions, and all rows of securities whose past has changed, which are taken out
        first. The model computes them from the rows that macro rows_to_compute() lets it read;
      - makes the whole table, when the model's SQL or a view it reads has changed, when a build in between was missed,
        under --full-refresh, when the plan says so, or when a past has changed and the model compares names with one
        another (meta.compares_names). Rows then come in the order of int_feature_rows, batch by batch.
    The table's comment says what it was built from; it is written and lost together with the rows. -#}
{% materialization feature_family, adapter='duckdb' %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set existing_relation = load_cached_relation(this) -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- set work = feature_work(existing_relation, compiled_code) -%}

    {%- if work.kind == 'nothing' -%}
        {%- call statement('main') -%} select 1 {%- endcall -%}
    {%- elif work.kind == 'batch' -%}
        {%- call statement('new_rows') -%}
            set variable sessions_back = (select sessions_back from {{ work.plan_relation }});
            set variable renewed = (select renewed from {{ work.plan_relation }});
            set variable batch = {{ work.built_from.batches }}
        {%- endcall -%}
        {%- call statement('main') -%}
            {% if work.renewed_names %}
            delete from {{ target_relation }} where security_id in (select unnest(getvariable('renewed')));
            {% endif %}
            insert into {{ target_relation }}
            select * from ({{ compiled_code }}
            ) as computed
            where as_of_date >= getvariable('sessions_back')[1] or list_position(getvariable('renewed'), security_id) > 0
            order by security_id, as_of_date
        {%- endcall -%}
        {%- call statement('no_new_rows') -%}
            reset variable sessions_back; reset variable renewed; reset variable batch
        {%- endcall -%}
    {%- else -%}
        {%- if existing_relation is not none and not existing_relation.is_table -%}
            {{ drop_relation_if_exists(existing_relation) }}
        {%- endif -%}
        {%- call statement('main') -%}
            create or replace table {{ target_relation }} as
            {% if work.built_from.batches %}
            select computed.* from ({{ compiled_code }}
            ) as computed
            inner join {{ work.rows_relation }} as placed
                on computed.security_id = placed.security_id and computed.as_of_date = placed.as_of_date
            order by placed.batch, placed.security_id, placed.as_of_date
            {% else %}
            {{ compiled_code }}
            {% endif %}
        {%- endcall -%}
    {%- endif -%}
    {%- if work.kind != 'nothing' -%}
        {%- call statement('built_from') -%}
            comment on table {{ target_relation }} is '{{ tojson(work.built_from) }}'
        {%- endcall -%}
    {%- endif -%}

    {{ finish(target_relation) }}
    {%- if work.said %}{% do log(model.name ~ ': ' ~ work.said, info=True) %}{% endif -%}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{#- What a build of a feature table has to do (see the materialization): kind, the plan, what to write into the table's
    comment, and a line to say. -#}
{% macro feature_work(existing_relation, compiled_code) -%}
    {%- set is_rows = model.name == 'int_feature_rows' -%}
    {%- if not is_rows and 'model.kairos.int_feature_rows' not in model.depends_on.nodes -%}
        {{ exceptions.raise_compiler_error(model.name ~ " does not say how far back it reads, and would work out all days anew for each new one. Read its daily rows `where {{ rows_to_compute(lookback=n) }}`, n being the sessions its windows reach back.") }}
    {%- endif -%}
    {%- set rows_relation = this if is_rows else ref('int_feature_rows') -%}
    {%- set plan_relation = rows_relation.incorporate(path={'identifier': 'int_feature_plan'}) -%}
    {%- set asked = run_query(
        "select version, previous_version, new_sessions, renewed_names, through_date, (select max(as_of_date) from "
        ~ rows_relation.incorporate(path={'identifier': 'int_prices'}) ~ ") from " ~ plan_relation
    ).rows[0] -%}
    {%- if asked[4] != asked[5] -%}
        {{ exceptions.raise_compiler_error(model.name ~ ": int_prices ends on " ~ asked[5] ~ ", and int_feature_digests was built for prices that end on " ~ asked[4] ~ ". Build what lies between as well: dbt build -s int_prices+") }}
    {%- endif -%}
    {#- where the digests are made first, by this build, they are of what stands there; and what is said of the rows of all
        families need not be said of each -#}
    {%- set made_first = ['model.kairos.int_feature_digests'] + ([] if is_rows else ['model.kairos.int_feature_rows']) -%}
    {%- if not made_first | select('in', selected_resources) | list -%}
        {%- set inputs = {} -%}
        {%- for name in feature_inputs() -%}
            {%- do inputs.update({name: rows_relation.incorporate(path={'identifier': name})}) -%}
        {%- endfor -%}
        {%- set digests = rows_relation.incorporate(path={'identifier': 'int_feature_digests'}) -%}
        {%- set changed = run_query(feature_inputs_changed(inputs, digests)).rows[0][0] -%}
        {%- if changed -%}
            {{ exceptions.raise_compiler_error(model.name ~ ": other rows stand in " ~ changed ~ " than int_feature_digests was built for. Build that as well: dbt build -s int_feature_digests+") }}
        {%- endif -%}
    {%- endif -%}
    {%- set version, previous_version, new_sessions, renewed_names = asked[0], asked[1], asked[2], asked[3] | int -%}
    {%- set before = built_from(this) -%}
    {#- the order of rows: the full build it goes back to, and how many batches have come since -#}
    {%- set order = before if is_rows else built_from(rows_relation) -%}
    {%- set code = local_md5(compiled_code ~ views_and_families_read(model.depends_on.nodes)) -%}
    {%- set is_usable = existing_relation and existing_relation.is_table and before.code == code
        and before.layout == order.layout and not should_full_refresh() -%}

    {%- set kind, said = 'full', none -%}
    {%- if is_usable and before.version == version and before.batches == order.batches -%}
        {%- set kind = 'nothing' -%}
    {%- elif is_usable and before.version == previous_version and (is_rows or before.batches + 1 == order.batches) -%}
        {%- if renewed_names and config.meta_get('compares_names', false) -%}
            {%- set said = 'made anew, because it compares names and the past of ' ~ renewed_names ~ ' has changed' -%}
        {%- else -%}
            {%- set kind = 'batch' -%}
            {%- set said = new_sessions ~ ' new sessions added, ' ~ renewed_names ~ ' names with a changed past made anew' -%}
        {%- endif -%}
    {%- elif before.code and not should_full_refresh() -%}
        {%- set said = 'made anew, its SQL has changed' if before.code != code else 'made anew' -%}
    {%- endif -%}

    {%- if is_rows -%}
        {%- set order = {
            'layout': before.layout if kind != 'full' else version,
            'batches': 0 if kind == 'full' else before.batches + (1 if kind == 'batch' else 0),
        } -%}
    {%- endif -%}
    {{ return({
        'kind': kind, 'said': said, 'plan_relation': plan_relation, 'rows_relation': rows_relation,
        'renewed_names': renewed_names,
        'built_from': {'code': code, 'version': version, 'layout': order.layout, 'batches': order.batches},
    }) }}
{%- endmacro %}

{#- What a feature table was built from, of its comment: code, version, layout; empty for any other table or none. -#}
{% macro built_from(relation) -%}
    {%- set found = run_query(
        "select comment from duckdb_tables() where comment is not null and database_name = '" ~ relation.database
        ~ "' and schema_name = '" ~ relation.schema ~ "' and table_name = '" ~ relation.identifier ~ "'"
    ).rows -%}
    {{ return(fromjson(found[0][0], {}) if found | length else {}) }}
{%- endmacro %}

{#- One text of all SQL between the nodes and the tables below them: views as they stand in the warehouse, through views
    of views, and the code that feature tables were built by. -#}
{% macro views_and_families_read(nodes) -%}
    {%- set ns = namespace(text='') -%}
    {%- for node in nodes | sort if graph.nodes[node] and graph.nodes[node].resource_type == 'model' -%}
        {%- set read = graph.nodes[node] -%}
        {%- set relation = api.Relation.create(read.database, read.schema, read.alias) -%}
        {%- if read.config.materialized == 'view' -%}
            {%- set ns.text = ns.text ~ run_query(
                "select coalesce(max(sql), '') from duckdb_views() where database_name = '" ~ read.database
                ~ "' and schema_name = '" ~ read.schema ~ "' and view_name = '" ~ read.alias ~ "'"
            ).rows[0][0] ~ views_and_families_read(read.depends_on.nodes) -%}
        {%- elif read.config.materialized == 'feature_family' -%}
            {%- set ns.text = ns.text ~ built_from(relation).code -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(ns.text) }}
{%- endmacro %}

{#-
    slice: the only materialisation of marts (docs/decisions/0002-slices.md).

    A relation x is a table x__rows into which rows are only ever inserted, each with the slice it belongs to, and a
    view x of the slices in the candidate of the open build. A build inserts new slices for what was touched and
    exchanges them in ops.candidate_slice; nothing is dropped, renamed or updated, so whatever was published stays
    readable. --full-refresh and a changed project mark everything as touched. Target dev makes a plain table.

    config: slice_by            columns the slices are cut by: any of territory_key, month; [] is one slice a build,
                                written only when its content changed
            partition_by_month  x__rows is partitioned by month (the three big facts, and who moved)
            main_feed           the feed whose submission a slice comes from
            not_touched_by      parents whose changes do not touch this model
            next_month          a touched month also touches the calendar month after it, on the same territory and
                                on the one it went into
            later_ytd           a touched month also touches the later files of that year with year-to-date basis
            by_year             month is the January of a year: a touched month touches its year
            rows_indexes        lists of columns to index
-#}
{% materialization slice, adapter='postgres' %}
    {%- set existing = load_cached_relation(this) -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% if target.name == 'bi' %}
        {% do exceptions.raise_compiler_error('bi is made by publishing and only read by target bi: use --target dev') %}
    {% endif %}

    {%- if target.name != 'prod' -%}
        {%- set relation = this.incorporate(type='table') -%}
        {% do drop_relation_if_exists(existing) %}
        {% call statement('main') %}{{ get_create_table_as_sql(False, relation, sql) }}{% endcall %}
        {% do persist_docs(relation, model) %}
    {%- else -%}
        {%- set relation = this.incorporate(type='view') -%}
        {% do slice_refuse(existing) %}
        {% do get_assert_columns_equivalent(sql) %}
        {%- set is_new_view = slice_ensure_relation(relation, existing) -%}
        {%- set new_slices = slice_open(model) -%}
        {% if new_slices.source %}
            {% call statement('main') %}{{ slice_insert(relation, new_slices) }}{% endcall %}
            {% do slice_exchange(relation, new_slices) %}
        {% else %}
            {% call statement('main') %}select 'nothing touched'{% endcall %}
        {% endif %}
        {% if is_new_view or new_slices.is_full %}{% do persist_docs(relation, model) %}{% endif %}
    {%- endif -%}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [relation]}) }}
{% endmaterialization %}


{# stop where going on would publish nothing or destroy something #}
{% macro slice_refuse(existing) %}
    {% if flags.EMPTY %}
        {% do exceptions.raise_compiler_error('--empty would publish empty slices: use --target dev') %}
    {% endif %}
    {% if existing is not none and existing.type != 'view' %}
        {% do exceptions.raise_compiler_error(
            this ~ ' is a ' ~ existing.type ~ ' and not the candidate view: drop it by hand after saving what it holds'
        ) %}
    {% endif %}
    {% if not run_query("select 1 from ops.build where state = 'open'").rows %}
        {% do exceptions.raise_compiler_error('no build is open: run `vss build`, or use --target dev') %}
    {% endif %}
{% endmacro %}


{# x__rows and the candidate view x; returns whether the view was made #}
{% macro slice_ensure_relation(relation, existing) %}
    {%- set rows = slice_rows(relation) -%}
    {%- set by_month = config.get('partition_by_month', false) -%}
    {%- set columns = model.columns.keys() | list -%}
    {%- set make_view = existing is none -%}
    {%- if load_cached_relation(rows) is none -%}
        {%- set constraints = [] -%}
        {%- for constraint in model.constraints -%}
            {%- set mine = dict(constraint) -%}
            {%- if constraint.type in ('primary_key', 'unique') -%}
                {#- unique within a slice; on a partitioned fact an index would cost three times the insert -#}
                {%- do mine.update({'columns': ['slice_id'] + constraint.columns}) -%}
            {%- endif -%}
            {%- if not (by_month and constraint.type in ('primary_key', 'unique')) -%}
                {%- do constraints.append(mine) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- set definitions = adapter.render_raw_columns_constraints(raw_columns=model.columns)
            + adapter.render_raw_model_constraints(raw_constraints=constraints) -%}
        {% do run_query(
            'create table ' ~ rows ~ ' (slice_id integer not null, ' ~ definitions | join(', ') ~ ')'
            ~ (' partition by range (month)' if by_month else '')
        ) %}
        {#- a slice's rows lie together: a block range index finds them and costs the insert next to nothing -#}
        {% do run_query('create index on ' ~ rows ~ ' using brin (slice_id)') %}
        {% for names in config.get('rows_indexes', []) %}
            {% do run_query('create index on ' ~ rows ~ ' (' ~ names | join(', ') ~ ')') %}
        {% endfor %}
    {%- else -%}
        {%- set there = adapter.get_columns_in_relation(rows) | map(attribute='name') | list -%}
        {%- for name in columns if name not in there -%}
            {% do slice_alter(rows, 'add column ' ~ slice_column_list([name]) ~ ' ' ~ model.columns[name].data_type) %}
            {%- set make_view = true -%}
        {%- endfor -%}
        {% do slice_follow_contract(rows) %}
        {%- if existing is not none -%}
            {%- set seen = adapter.get_columns_in_relation(relation) | map(attribute='name') | list -%}
            {%- if seen != columns -%}
                {% do run_query('drop view ' ~ relation) %}
                {%- set make_view = true -%}
            {%- endif -%}
        {%- endif -%}
    {%- endif -%}
    {% if make_view %}
        {% do run_query(
            'create or replace view ' ~ relation ~ ' as select ' ~ slice_column_list(columns) ~ ' from ' ~ rows
            ~ " where slice_id in (select slice_id from ops.candidate_slice where relation = '"
            ~ relation.identifier ~ "')"
        ) %}
    {% endif %}
    {{ return(make_view) }}
{% endmacro %}


{#
    What a contract newly allows or forbids: not-null that was dropped, and checks that were added. Rows that stand are
    history and are not judged again ("not valid"); an expression changed under the same name is not noticed.
#}
{% macro slice_follow_contract(rows) %}
    {%- set table = "'" ~ rows ~ "'::regclass" -%}
    {%- set filled = run_query(
        'select attname::text from pg_attribute where attnotnull and attnum > 0 and attrelid = ' ~ table
    ) | map(attribute=0) | list -%}
    {%- for name, column in model.columns.items() if name in filled -%}
        {%- if 'not_null' not in column.constraints | map(attribute='type') | list -%}
            {% do slice_alter(rows, 'alter column ' ~ slice_column_list([name]) ~ ' drop not null') %}
        {%- endif -%}
    {%- endfor -%}
    {%- set known = run_query(
        "select conname::text from pg_constraint where contype = 'c' and conrelid = " ~ table
    ) | map(attribute=0) | list -%}
    {%- for constraint in model.constraints if constraint.type == 'check' and constraint.name not in known -%}
        {% do slice_alter(
            rows, 'add constraint ' ~ constraint.name ~ ' check (' ~ constraint.expression ~ ') not valid'
        ) %}
    {%- endfor -%}
{% endmacro %}


{#
    Readers are on these rows. A transaction of theirs that stays open is waited for in short tries, so that nobody queues
    behind the change for longer, and the lock is let go before the rows are written: in a transaction of their own, which
    dbt's driver would not begin, as it does not know of the commit.
#}
{% macro slice_alter(rows, change) %}
    {% do run_query(
        'select ops.patiently($ddl$alter table ' ~ rows ~ ' ' ~ change ~ "$ddl$, '" ~ rows ~ "'::regclass, 60)"
    ) %}
    {% do run_query('commit') %}
    {% do run_query('begin') %}
{% endmacro %}


{#
    Which slices this run makes: ids are given once per (relation, key, build), so a second run in one build finds
    nothing to do. Returns ids, months, territories, the select to read from, and whether everything was asked for.
#}
{% macro slice_open(model) %}
    {%- set name = this.identifier -%}
    {%- set slice_by = config.get('slice_by', []) -%}
    {%- set build = run_query("select build_id, is_full from ops.build where state = 'open'").rows[0] -%}
    {%- set ours = "select 1 from ops.candidate_slice where relation = '" ~ name ~ "' limit 1" -%}
    {%- set is_full = build[1] or should_full_refresh() or not run_query(ours).rows -%}
    {%- set touched = slice_touched(model, name, build[0], is_full) -%}
    {%- set nothing = {'source': none, 'is_full': is_full} -%}
    {%- set source = '(' ~ sql ~ ')' -%}
    {%- set content_hash = 'null' -%}

    {%- if not slice_by -%}
        {% if not is_full and not run_query('select 1 from (' ~ touched ~ ') t limit 1').rows %}
            {{ return(nothing) }}
        {% endif %}
        {% do run_query('create temp table ' ~ name ~ '__new on commit drop as ' ~ sql) %}
        {%- set source = name ~ '__new' -%}
        {%- set hashed = run_query(
            "select count(*) || ':' || coalesce(sum(hashtextextended(t::text, 0)), 0) from " ~ source ~ ' t'
        ).rows[0][0] -%}
        {%- set same = "select 1 from ops.candidate_slice where relation = '" ~ name
            ~ "' and content_hash = '" ~ hashed ~ "'" -%}
        {% if run_query(same).rows %}{{ return(nothing) }}{% endif %}
        {%- set content_hash = "'" ~ hashed ~ "'" -%}
        {%- set touched = 'select null::text as territory_key, null::date as month' -%}
    {%- endif -%}

    {%- set territory = 't.territory_key' if 'territory_key' in slice_by else 'null::text' -%}
    {%- set month = 't.month' if 'month' in slice_by else 'null::date' -%}
    {%- set needed = [] -%}
    {%- for column in slice_by -%}{%- do needed.append('t.' ~ column ~ ' is not null') -%}{%- endfor -%}
    {%- set submission = 'null::text' -%}
    {%- if config.get('main_feed') -%}
        {%- set submission = "(select i.submission_id from ops.input i where i.feed = '" ~ config.get('main_feed')
            ~ "' and i.territory_key = d.territory_key and i.month = d.month)" -%}
    {%- endif -%}
    {%- set made = run_query(
        "insert into ops.slice (relation, territory_key, month, build_id, content_hash, submission_id, row_count)"
        ~ " select '" ~ name ~ "', d.territory_key, d.month, " ~ build[0] ~ ', ' ~ content_hash ~ ', ' ~ submission
        ~ ', 0 from (select distinct ' ~ territory ~ ' as territory_key, ' ~ month ~ ' as month from (' ~ touched
        ~ ') t where ' ~ (needed | join(' and ') or 'true') ~ ') d'
        ~ ' on conflict do nothing returning slice_id, territory_key, month::text'
    ).rows -%}
    {% if not made %}{{ return(nothing) }}{% endif %}
    {{ return({
        'source': source,
        'is_full': is_full,
        'build': build[0],
        'first_id': made | map(attribute=0) | min,
        'territories': (made | map(attribute=1) | unique | list) if 'territory_key' in slice_by else [],
        'months': (made | map(attribute=2) | unique | list) if 'month' in slice_by else [],
    }) }}
{% endmacro %}


{# select territory_key, month of everything this model must make anew #}
{% macro slice_touched(model, name, build, is_full) %}
    {%- set parents = slice_parents(model, config.get('not_touched_by', [])) -%}
    {%- set relations = "'" ~ (parents.relations + ['']) | unique | join("', '") ~ "'" -%}
    {%- set feeds = "'" ~ (parents.feeds + ['']) | unique | join("', '") ~ "'" -%}
    {%- set any_feed = parents.reads_input -%}
    {%- set changed -%}
        select territory_key, month from ops.slice where relation in ({{ relations }}) and build_id = {{ build }}
        union
        select territory_key, month from ops.build_touch
        where build_id = {{ build }}
            and (source in ({{ feeds }}) or source = '{{ name }}' {{- ' or true' if any_feed and not config.get('slice_by', []) }})
        {% if is_full %}
        union
        select territory_key, month from ops.candidate_slice where relation in ({{ relations }}, '{{ name }}')
        union
        select territory_key, month from ops.input where feed in ({{ feeds }})
        {% endif %}
    {%- endset -%}
    {%- set touched -%}
        with changed as ({{ changed }})
        select territory_key, month from changed
        {% if 'month' in config.get('slice_by', []) %}
        union
        select c.territory_key, c.month
        from changed t
        inner join ops.candidate_slice c on c.relation = '{{ name }}' and c.territory_key = t.territory_key
        where t.month is null
        {% endif %}
        {% if config.get('next_month', false) %}
        union
        select c.territory_key, c.month
        from changed t
        inner join ops.candidate_slice c on c.relation = '{{ name }}' and c.month = t.month + interval '1 month'
            {%- if 'territory_key' in config.get('slice_by', []) %}
            and (
                c.territory_key = t.territory_key
                or exists (
                    select from ops.province old
                    inner join ops.province heir
                        on heir.current_province_code = old.current_province_code and heir.vintage <> old.vintage
                    where old.territory_key = t.territory_key and heir.territory_key = c.territory_key
                        and t.month >= old.valid_from and t.month < old.valid_to
                        and c.month >= heir.valid_from and c.month < heir.valid_to
                )
            )
            {%- endif %}
        {% endif %}
        {% if config.get('later_ytd', false) %}
        union
        select i.territory_key, i.month
        from changed t
        inner join ops.province p
            on p.territory_key = t.territory_key and t.month >= p.valid_from and t.month < p.valid_to
        inner join ops.input i
            on i.feed in ({{ feeds }}) and i.current_province_code = p.current_province_code and i.basis = 'ytd'
            and i.month > t.month and date_trunc('year', i.month) = date_trunc('year', t.month)
        {% endif %}
    {%- endset -%}
    {%- if config.get('by_year', false) -%}
        {%- set touched = "select territory_key, date_trunc('year', month)::date as month from (" ~ touched ~ ') as m' -%}
    {%- endif -%}
    {{ return(touched) }}
{% endmacro %}


{# the slice relations and feeds a model reads, looked up through views and ephemeral models #}
{% macro slice_parents(node, left_out) %}
    {%- set relations = [] -%}
    {%- set feeds = [] -%}
    {%- set found = namespace(reads_input=false) -%}
    {%- for id in node.depends_on.nodes -%}
        {%- if id in graph.nodes -%}
            {%- set parent = graph.nodes[id] -%}
            {%- if parent.name not in left_out -%}
                {%- if parent.config.materialized == 'slice' -%}
                    {%- do relations.append(parent.name) -%}
                {%- elif parent.config.meta.feed -%}
                    {%- do feeds.append(parent.config.meta.feed) -%}
                {%- elif parent.resource_type == 'model' -%}
                    {%- set above = slice_parents(parent, left_out) -%}
                    {%- do relations.extend(above.relations) -%}
                    {%- do feeds.extend(above.feeds) -%}
                    {%- set found.reads_input = found.reads_input or above.reads_input -%}
                {%- endif -%}
            {%- endif -%}
        {%- elif id in graph.sources and graph.sources[id].source_name == 'ops' and graph.sources[id].name == 'input' -%}
            {%- set found.reads_input = true -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return({'relations': relations, 'feeds': feeds, 'reads_input': found.reads_input}) }}
{% endmacro %}


{# names of columns, quoted: one may be a word of SQL #}
{% macro slice_column_list(names) %}
    {%- set quoted = [] -%}
    {%- for name in names -%}{%- do quoted.append(adapter.quote(name)) -%}{%- endfor -%}
    {{ return(quoted | join(', ')) }}
{% endmacro %}


{% macro slice_rows(relation) %}
    {{ return(api.Relation.create(
        database=relation.database, schema=relation.schema, identifier=relation.identifier ~ '__rows', type='table'
    )) }}
{% endmacro %}


{# one insert; literal months and territories prune partitions, offset 0 keeps the planner from reordering the model #}
{% macro slice_insert(relation, new) %}
    {%- set rows = slice_rows(relation) -%}
    {%- set columns = model.columns.keys() | list -%}
    {%- set slice_by = config.get('slice_by', []) -%}
    {% if config.get('partition_by_month', false) %}
        {% for month in new.months %}
            {% do run_query("select ops.ensure_partition('" ~ rows.include(database=false) ~ "', '" ~ month ~ "')") %}
        {% endfor %}
    {% endif %}
    with fresh as (
        select * from {{ new.source }} as model
        where true
        {%- if new.months %} and model.month = any('{{ '{' ~ new.months | join(',') ~ '}' }}'::date[]){% endif %}
        {%- if new.territories %} and model.territory_key = any('{{ '{' ~ new.territories | join(',') ~ '}' }}'::text[])
        {%- endif %}
        offset 0
    ),
    inserted as (
        insert into {{ rows }} (slice_id, {{ slice_column_list(columns) }})
        select s.slice_id, {% for column in columns %}fresh.{{ adapter.quote(column) }}{{ ', ' if not loop.last }}{% endfor %}
        from fresh
        inner join ops.slice as s
            on s.relation = '{{ relation.identifier }}' and s.build_id = {{ new.build }} and s.slice_id >= {{ new.first_id }}
            {%- for column in slice_by %} and s.{{ column }} = fresh.{{ column }}{% endfor %}
        returning slice_id
    ),
    counted as (
        select slice_id, count(*) as row_count from inserted group by slice_id
    )
    update ops.slice as s set row_count = c.row_count from counted as c where c.slice_id = s.slice_id
{% endmacro %}


{# put the new slices in the place of those they replace, and let the planner know #}
{% macro slice_exchange(relation, new) %}
    {%- set mine = "from ops.slice n where n.relation = '" ~ relation.identifier ~ "' and n.build_id = " ~ new.build
        ~ ' and n.slice_id >= ' ~ new.first_id -%}
    {% do run_query(
        "delete from ops.candidate_slice c where c.relation = '" ~ relation.identifier ~ "' and exists (select " ~ mine
        ~ ' and n.territory_key is not distinct from c.territory_key and n.month is not distinct from c.month)'
    ) %}
    {% do run_query(
        'insert into ops.candidate_slice (relation, slice_id, territory_key, month, content_hash)'
        ~ ' select n.relation, n.slice_id, n.territory_key, n.month, n.content_hash ' ~ mine
    ) %}
    {%- set rows = slice_rows(relation) -%}
    {% if config.get('partition_by_month', false) %}
        {% for month in new.months %}
            {% do run_query('analyze ' ~ rows.schema ~ '.' ~ rows.identifier ~ '_' ~ month[:4] ~ month[5:7]) %}
        {% endfor %}
        {#- joins and groups over months are planned by the parent's statistics; before PostgreSQL 18 every month would
            be read for them -#}
        {% if run_query("select current_setting('server_version_num')::integer >= 180000").rows[0][0] %}
            {% do run_query('analyze only ' ~ rows) %}
        {% endif %}
    {% else %}
        {% do run_query('analyze ' ~ rows) %}
    {% endif %}
    {% if new.is_full %}{% do run_query('select ops.analyze_candidate()') %}{% endif %}
{% endmacro %}

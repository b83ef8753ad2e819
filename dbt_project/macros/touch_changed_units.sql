{#-
    A unit whose version begins or ends elsewhere than before, or has another value in one of the attributes that a
    relation uses, changes the relation's slices of its territory in the months the version is or was in force; with
    `later_too` also those after them, in which something about such a month may still be posted or listed.
    Runs after int_employer__version: compares its new slices with the ones shown and notes the months to make anew under the
    name of each relation that resolves units.
-#}
{% macro touch_changed_units(relations, attributes=['unit_type'], later_too=false) %}
    {% if target.name == 'prod' and execute %}
        {%- set rows = slice_rows(this) -%}
        {%- set used = 'r.' ~ attributes | join(', r.') -%}
        {%- set new = 'n.' ~ attributes | join(', n.') -%}
        {%- set old = 'o.' ~ attributes | join(', o.') -%}
        insert into ops.build_touch (build_id, source, territory_key, month)
        with open_build as (
            select b.build_id, b.base_id from ops.build as b where b.state = 'open'
        ),
        new_version as (
            select s.territory_key, r.employer_key, r.valid_from, r.valid_to, {{ used }}
            from ops.slice as s
            inner join open_build as b on b.build_id = s.build_id
            inner join {{ rows }} as r on r.slice_id = s.slice_id
            where s.relation = '{{ this.identifier }}'
        ),
        old_version as (
            select s.territory_key, r.employer_key, r.valid_from, r.valid_to, {{ used }}
            from ops.publication_slice as p
            inner join open_build as b on p.from_publication <= b.base_id and p.to_publication > b.base_id
            inner join ops.slice as s on s.slice_id = p.slice_id
            inner join {{ rows }} as r on r.slice_id = s.slice_id
            where p.relation = '{{ this.identifier }}'
                and s.territory_key in (select n.territory_key from new_version as n)
        ),
        -- the months in which a fact finds another version than before, or another value in it
        changed as (
            select
                coalesce(n.territory_key, o.territory_key) as territory_key,
                case
                    when n.employer_key is null then o.valid_from
                    when o.employer_key is null or ({{ new }}) is distinct from ({{ old }}) then n.valid_from
                    else least(n.valid_to, o.valid_to)
                end as from_month,
                greatest(n.valid_to, o.valid_to) as to_month
            from new_version as n
            full join old_version as o on o.employer_key = n.employer_key
            where (n.valid_to, {{ new }}) is distinct from (o.valid_to, {{ old }})
        )
        select distinct b.build_id, relation.name, c.territory_key, c.month
        from changed
        cross join open_build as b
        cross join unnest(array['{{ relations | join("', '") }}']) as relation (name)
        inner join ops.candidate_slice as c
            on c.relation = relation.name and c.territory_key = changed.territory_key
            and c.month >= changed.from_month
            {%- if not later_too %}
            and c.month < changed.to_month
            {%- endif %}
    {% else %}
        select 1
    {% endif %}
{% endmacro %}

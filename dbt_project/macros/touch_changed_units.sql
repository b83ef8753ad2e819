{#-
    A unit whose version begins or ends elsewhere than before, or is of another type, changes the facts of its territory from that month on.
    Runs after dim_employer: compares its new slices with the ones shown and notes the months to make anew under the
    name of each fact that resolves units.
-#}
{% macro touch_changed_units(relations) %}
    {% if target.name == 'prod' and execute %}
        {%- set rows = slice_rows(this) -%}
        insert into ops.build_touch (build_id, source, territory_key, month)
        with open_build as (
            select b.build_id, b.base_id from ops.build as b where b.state = 'open'
        ),
        new_version as (
            select s.territory_key, r.employer_key, r.valid_from, r.valid_to, r.unit_type
            from ops.slice as s
            inner join open_build as b on b.build_id = s.build_id
            inner join {{ rows }} as r on r.slice_id = s.slice_id
            where s.relation = '{{ this.identifier }}'
        ),
        old_version as (
            select s.territory_key, r.employer_key, r.valid_from, r.valid_to, r.unit_type
            from ops.publication_slice as p
            inner join open_build as b on p.from_publication <= b.base_id and p.to_publication > b.base_id
            inner join ops.slice as s on s.slice_id = p.slice_id
            inner join {{ rows }} as r on r.slice_id = s.slice_id
            where p.relation = '{{ this.identifier }}'
                and s.territory_key in (select n.territory_key from new_version as n)
        ),
        boundary as (
            select
                coalesce(n.territory_key, o.territory_key) as territory_key,
                min(case
                    when n.employer_key is null then o.valid_from
                    when o.employer_key is null or n.unit_type is distinct from o.unit_type then n.valid_from
                    else least(n.valid_to, o.valid_to)
                end) as first_month
            from new_version as n
            full join old_version as o on o.employer_key = n.employer_key
            where (n.valid_to, n.unit_type) is distinct from (o.valid_to, o.unit_type)
            group by 1
        )
        select distinct b.build_id, relation.name, c.territory_key, c.month
        from boundary
        cross join open_build as b
        cross join unnest(array['{{ relations | join("', '") }}']) as relation (name)
        inner join ops.candidate_slice as c
            on c.relation = relation.name and c.territory_key = boundary.territory_key
            and c.month >= boundary.first_month
    {% else %}
        select 1
    {% endif %}
{% endmacro %}

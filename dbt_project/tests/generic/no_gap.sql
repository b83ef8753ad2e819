{#
    fails for each row that the next one of its key does not continue on the very day it ends, and, if is_open_ended,
    for a last one that ends. With column, a row whose column is stands_for_all is taken for each of values.
#}
{% test no_gap(model, key, column=none, stands_for_all=none, values=[], is_open_ended=false) %}
    with spread as (
        {% if column %}
            select {{ key }} || '|' || each_of.value as tested_key, valid_from, valid_to
            from {{ model }}
            inner join unnest(array['{{ values | join("', '") }}']) as each_of (value)
                on {{ column }} in ('{{ stands_for_all }}', each_of.value)
        {% else %}
            select {{ key }} as tested_key, valid_from, valid_to
            from {{ model }}
        {% endif %}
    ),

    following as (
        select
            tested_key,
            valid_from,
            valid_to,
            lead(valid_from) over (partition by tested_key order by valid_from, valid_to) as next_from
        from spread
    )

    select tested_key, valid_from, valid_to, next_from
    from following
    where
        next_from <> valid_to
        {% if is_open_ended %}or (next_from is null and valid_to <> 'infinity'){% endif %}
{% endtest %}

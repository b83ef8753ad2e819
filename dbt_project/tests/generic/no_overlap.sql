{# fails for each row whose validity begins before the one before it (of the same key) has ended, or is empty #}
{% test no_overlap(model, key) %}
    with following as (
        select
            {{ key }} as tested_key,
            valid_from,
            valid_to,
            lead(valid_from) over (partition by {{ key }} order by valid_from, valid_to) as next_from
        from {{ model }}
    )

    select tested_key, valid_from, valid_to, next_from
    from following
    where valid_to <= valid_from or next_from < valid_to
{% endtest %}

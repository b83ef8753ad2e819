{# fails for each combination of the columns that stands more than once; nulls count as equal #}
{% test unique_rows(model, columns) %}
    select {{ columns | join(', ') }}, count(*) as found
    from {{ model }}
    group by {{ columns | join(', ') }}
    having count(*) > 1
{% endtest %}

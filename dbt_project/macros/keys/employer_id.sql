{# a unit for ever: the same code in another territory is another unit #}
{% macro employer_id(territory_key, si_unit_code) -%}
    md5({{ territory_key }} || '|' || {{ si_unit_code }})::uuid
{%- endmacro %}

{# a version of a unit #}
{% macro employer_key_of(employer_id, valid_from) -%}
    md5({{ employer_id }}::text || '|' || {{ valid_from }}::text)::uuid
{%- endmacro %}

{#- the key of the version in force; of a unit that is on no list in that month the key of the row dim_employer has
    for that month (int_employer__unlisted). Null where the row names no unit. -#}
{% macro employer_key_or_unlisted(employer_key, employer_id, month) -%}
    coalesce({{ employer_key }}, {{ employer_key_of(employer_id, month) }})
{%- endmacro %}

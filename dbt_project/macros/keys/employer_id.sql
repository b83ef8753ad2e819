{# a unit for ever: the same code in another territory is another unit #}
{% macro employer_id(territory_key, si_unit_code) -%}
    md5({{ territory_key }} || '|' || {{ si_unit_code }})::uuid
{%- endmacro %}

{# a version of a unit #}
{% macro employer_key(employer_id, valid_from) -%}
    md5({{ employer_id }}::text || '|' || {{ valid_from }}::text)::uuid
{%- endmacro %}

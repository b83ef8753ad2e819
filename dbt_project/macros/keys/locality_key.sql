{# a commune on one map: the same code in another territory is another commune #}
{% macro locality_key(territory_key, commune_code) -%}
    md5({{ territory_key }} || '|' || {{ commune_code }})::uuid
{%- endmacro %}

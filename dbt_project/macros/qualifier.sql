{# R2: the weakest of a group's qualifiers: exact > approx > a bound; both bounds make approx #}
{% macro weakest_qualifier(column) -%}
    case
        when bool_or({{ column }} = 'at_least') and bool_or({{ column }} = 'at_most') then 'approx'
        when bool_or({{ column }} = 'at_least') then 'at_least'
        when bool_or({{ column }} = 'at_most') then 'at_most'
        when bool_or({{ column }} = 'approx') then 'approx'
        else 'exact'
    end
{%- endmacro %}


{# the same of several columns of one row; null counts as exact #}
{% macro weakest_qualifier_of(columns) -%}
    {%- set list = columns | join(', ') -%}
    case
        when 'at_least' in ({{ list }}) and 'at_most' in ({{ list }}) then 'approx'
        when 'at_least' in ({{ list }}) then 'at_least'
        when 'at_most' in ({{ list }}) then 'at_most'
        when 'approx' in ({{ list }}) then 'approx'
        else 'exact'
    end
{%- endmacro %}

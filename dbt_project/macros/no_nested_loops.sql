{#- For a pre-hook: of what a step groups, and of rows just loaded, the planner knows no size and takes it for next to
    nothing; a nested loop over two such steps ran for twenty minutes where hashing takes half a second. -#}
{% macro no_nested_loops() -%}
    set local enable_nestloop = off
{%- endmacro %}

{# the last day of a month, and the first of its year #}
{% macro month_end(month) -%}
    ({{ month }} + interval '1 month - 1 day')::date
{%- endmacro %}

{% macro year_start(month) -%}
    date_trunc('year', {{ month }})::date
{%- endmacro %}


{# R14: the law in force at a month's end #}
{% macro legal_regime(month) -%}
    case when {{ month }} < '2025-07-01' then 'until_2025_06' else 'from_2025_07' end
{%- endmacro %}


{# a sum over a group that is null as soon as one of its parts is #}
{% macro sum_of_all(column) -%}
    case when count({{ column }}) = count(*) then sum({{ column }}) end
{%- endmacro %}


{# R6: growth in per cent; of a ratio the difference in percentage points #}
{% macro growth_pct(value, base, is_ratio) -%}
    case
        when {{ is_ratio }}
            then {{ value }} - {{ base }}
        else 100.0 * ({{ value }} - {{ base }}) / nullif({{ base }}, 0)
    end
{%- endmacro %}

{# the ageing band of months owed (rule R12); the bands stand in the seed arrears_band #}
{% macro ageing_band(months_owed) -%}
    case
        when {{ months_owed }} < 1 then '<1'
        when {{ months_owed }} < 3 then '1-<3'
        when {{ months_owed }} < 6 then '3-<6'
        when {{ months_owed }} < 12 then '6-<12'
        when {{ months_owed }} >= 12 then '>=12'
        else 'not_stated'
    end
{%- endmacro %}

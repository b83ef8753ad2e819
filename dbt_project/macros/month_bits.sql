{#-
    Months of one year as a set: an integer with a bit a month, January the lowest. Sets of months meet and join in one
    operation each, and bit_count() says how many there are.
-#}
{% macro month_bit(month) -%}
    (1 << (extract(month from {{ month }})::integer - 1))
{%- endmacro %}


{# every month of a year #}
{% macro whole_year() -%}
    4095
{%- endmacro %}


{# the months of `year` in [valid_from, valid_to), both first days of months or infinite #}
{% macro month_bits(valid_from, valid_to, year) -%}
    case
        when {{ valid_from }} < make_date({{ year }} + 1, 1, 1) and {{ valid_to }} > make_date({{ year }}, 1, 1)
            then
                (
                    case
                        when {{ valid_to }} >= make_date({{ year }} + 1, 1, 1) then 4096
                        else {{ month_bit(valid_to) }}
                    end
                ) - (
                    case
                        when {{ valid_from }} <= make_date({{ year }}, 1, 1) then 1
                        else {{ month_bit(valid_from) }}
                    end
                )
        else 0
    end
{%- endmacro %}


{# how many months are in the set #}
{% macro months_in(bits) -%}
    bit_count(({{ bits }})::bit(12))
{%- endmacro %}

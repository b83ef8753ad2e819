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


{#
    As bits: the months of which some territories of one province of today have sent `months`. In each, whichever of them
    was in force has; where none was, everybody that covers the ground. Aggregates `calendar` (int_calendar__tax_year) of
    those territories, joined to `province_year` (months_sent_by_provinces).
#}
{% macro months_sent(months) -%}
    bit_and(calendar.{{ months }} | ({{ whole_year() }} - calendar.months_in_force))
    & (bit_or(calendar.months_in_force) | max(province_year.{{ months }}))
{%- endmacro %}


{# the select of `province_year`: per tax year and province of today the months of which every territory in force has sent #}
{% macro months_sent_by_provinces() -%}
    select
        tax_year,
        current_province_code,
        bit_or(months_in_force)
        & bit_and(months_published | ({{ whole_year() }} - months_in_force)) as months_published,
        bit_or(months_in_force)
        & bit_and(months_of_arrears | ({{ whole_year() }} - months_in_force)) as months_of_arrears
    from calendar
    group by tax_year, current_province_code
{%- endmacro %}


{# the first day of the last of some months of a year, the highest bit; null without any #}
{% macro last_month(bits, year) -%}
    case
        when {{ bits }} > 0
            then make_date({{ year }}, length(ltrim(({{ bits }})::bit(12)::text, '0')), 1)
    end
{%- endmacro %}

{# fewer persons insured than under contract (R18) #}
{% macro is_under_declared(employee_gap, employees_tax, gap_minimum, share_minimum) -%}
    ({{ employee_gap }} >= {{ gap_minimum }} and {{ employee_gap }} >= {{ employees_tax }} * {{ share_minimum }})
{%- endmacro %}


{# the tax authority says that nobody is there any more (R19) #}
{% macro is_closed_for_tax(status) -%}
    ({{ status }} in ('closed', 'closed_unfinalised', 'not_at_address'))
{%- endmacro %}

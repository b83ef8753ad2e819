{# prod: a folder's schema is its own; dev: everything of one engineer lies in one schema #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- if target.name == 'dev' and not modules.re.fullmatch('dev(_[a-z0-9_]+)?', target.schema) -%}
        {%- do exceptions.raise_compiler_error(
            target.schema ~ " is no schema of an engineer's: take dev or dev_<name>"
        ) -%}
    {%- endif -%}
    {%- if target.name == 'prod' and custom_schema_name is not none -%}
        {{ custom_schema_name | trim }}
    {%- else -%}
        {{ target.schema }}
    {%- endif -%}
{%- endmacro %}

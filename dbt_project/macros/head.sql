{# R4: which rows of fct_participation (or of its aggregates) each indicator of heads counts #}
{% macro head_rules() %}
    {{ return({
        'si_compulsory': "insurance_type = 'SI_C'",
        'si_voluntary': "insurance_type = 'SI_V'",
        'ui': "insurance_type = 'UI'",
        'hi': "insurance_type = 'HI'",
        'si_participants': "insurance_type in ('SI_C', 'SI_V')",
        'people_managed': "insurance_type in ('HI', 'SI_V')",
        'hi_household': "insurance_type = 'HI' and hi_group = 'GD'",
        'hi_students': "insurance_type = 'HI' and hi_group in ('HS', 'SV')",
    }) }}
{% endmacro %}

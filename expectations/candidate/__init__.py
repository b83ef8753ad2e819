"""Gate 2: what a candidate must hold before it is shown. A suite a module; `verdict` puts them together.

Nothing is imported here: the build writes down what dbt's tests said (`dbt_tests`) and does without Great Expectations.
"""

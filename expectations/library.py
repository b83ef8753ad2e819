"""Great Expectations, imported once, here: without telemetry and without the noise of its start."""

from __future__ import annotations

import os
import warnings

os.environ["GX_ANALYTICS_ENABLED"] = "false"
with warnings.catch_warnings():
    # the library imports a module of the standard library that is deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    import great_expectations as gx
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.core.metric_domain_types import MetricDomainTypes
    from great_expectations.data_context import EphemeralDataContext
    from great_expectations.datasource.fluent import PostgresDatasource
    from great_expectations.datasource.fluent.interfaces import Batch, TestConnectionError
    from great_expectations.execution_engine import SqlAlchemyExecutionEngine
    from great_expectations.expectations.expectation import BatchExpectation, Expectation
    from great_expectations.expectations.metrics.metric_provider import metric_value
    from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider
    from great_expectations.expectations.row_conditions import Condition, deserialize_row_condition

__all__ = [
    "Batch",
    "BatchDefinition",
    "BatchExpectation",
    "Condition",
    "EphemeralDataContext",
    "Expectation",
    "MetricDomainTypes",
    "PostgresDatasource",
    "SqlAlchemyExecutionEngine",
    "TableMetricProvider",
    "TestConnectionError",
    "deserialize_row_condition",
    "gx",
    "metric_value",
]

"""Runs in the peers' own environment, not in the warehouse's: two tables through splink on DuckDB, one thread.

Arguments: units and tax list as parquet with `unique_id`, `tax_code`, `name`, `province_code`, and the file for the
pairs found (`code_id`, `unit_id`). Prints JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time

import duckdb
import splink  # type: ignore[import-not-found]
import splink.comparison_library as comparisons  # type: ignore[import-not-found]

_TAKEN = 0.5
# marks, case and signs go, legal forms stay; a name's last word decides with which others it is compared
_FOLDED = """
    create table {name} as
    select unique_id, tax_code, province_code, folded as name, string_split(folded, ' ')[-1] as last_word
    from (
        select
            *,
            trim(regexp_replace(lower(strip_accents(translate(name, 'Đđ', 'dd'))), '[^a-z0-9]+', ' ', 'g')) as folded
        from read_parquet('{path}')
    )
"""


def main(units: str, codes: str, found: str) -> None:
    """Fold, estimate, compare and keep the pairs; imports are not measured."""
    begun, cpu = time.perf_counter(), _cpu_seconds()
    connection = duckdb.connect(config={"threads": 1})
    for name, path in (("codes", codes), ("units", units)):
        connection.execute(_FOLDED.format(name=name, path=path))
    database = splink.DuckDBAPI(connection=connection)
    settings = splink.SettingsCreator(
        link_type="link_only",
        comparisons=[
            comparisons.ExactMatch("tax_code"),
            comparisons.JaroWinklerAtThresholds("name", [0.95, 0.88]),
        ],
        blocking_rules_to_generate_predictions=[
            splink.block_on("tax_code"),
            splink.block_on("province_code", "last_word"),
        ],
        retain_matching_columns=False,
    )
    tables = [database.register(name) for name in ("codes", "units")]
    linker = splink.Linker(tables, settings, log_level=None)
    # nine codes in ten that have a unit are carried by it
    linker.training.estimate_probability_two_random_records_match([splink.block_on("tax_code")], recall=0.9)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    linker.training.estimate_parameters_using_expectation_maximisation(splink.block_on("tax_code"))
    linker.training.estimate_parameters_using_expectation_maximisation(splink.block_on("province_code", "last_word"))
    pairs = linker.inference.predict(threshold_match_probability=_TAKEN)
    connection.execute(
        f"copy (select unique_id_l as code_id, unique_id_r as unit_id from {pairs.physical_name})"  # noqa: S608
        f" to '{found}' (format parquet)"
    )
    seconds, cpu_seconds = time.perf_counter() - begun, _cpu_seconds() - cpu
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "version": splink.__version__}))


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main(*sys.argv[1:])

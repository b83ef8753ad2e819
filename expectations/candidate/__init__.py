"""Gate 2: what a candidate must hold before it is shown. A suite a module; `verdict` puts them together."""

from expectations.candidate.dbt_tests import DbtTest, record
from expectations.candidate.verdict import CandidateVerdict, gate_candidate

__all__ = ["CandidateVerdict", "DbtTest", "gate_candidate", "record"]

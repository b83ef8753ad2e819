"""The gates: may this submission enter (`submission`), may this candidate be shown (`candidate`).

Great Expectations judges, our own SQL counts what it judged, `ops.gate_result` keeps verdicts and counts, never values.
Importing a gate loads Great Expectations (about 3 s a process): import it where it is used.
"""

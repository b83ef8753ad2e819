"""From an inbox folder to typed rows in `raw`: contracts, manifest, readers, row verdicts, bulk load, ledger."""

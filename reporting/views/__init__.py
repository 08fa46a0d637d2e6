"""Pages of reports, one file each, the people behind their figures, and the ledger check."""

"""The job table is the truth. No query stands outside this package."""

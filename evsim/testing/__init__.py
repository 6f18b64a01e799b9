"""Contract suites for engines and other variants."""

"""The sections of a report, one a file: `ORDER` is its place, `section` what it shows."""

"""What is measured of a recording, one table a file; the file's name is that of the table."""

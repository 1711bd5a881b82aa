"""The numbers behind the report: rows of runs become findings, in figures and in sentences."""

"""Tables of the report, and their formats."""

"""Run folders as they are read: checked where they enter, and how what is in them is called."""

"""The `segments` command: thin, on the roof. What it does is done by the rooms below."""

"""The review of policies: what `segments policy check` refuses, warns of and shows."""

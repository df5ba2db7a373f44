"""Alerts: what runs say becomes incidents, and incidents become messages, once."""

"""SHOWS what was released: tables for the terminal today, review pack and scorecards as they come. Reads released tables only."""

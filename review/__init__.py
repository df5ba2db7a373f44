"""SHOWS what was released: tables for the terminal, review pack and scorecards as they come. Reads releases only."""

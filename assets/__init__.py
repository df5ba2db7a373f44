"""DECLARES the graph: what is made, in which order, when, how it shows in the UI. The only room that knows Dagster."""

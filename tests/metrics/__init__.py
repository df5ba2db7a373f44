"""Identity and metrics against a second implementation; a package, so that its `oracle` is not that of the scores."""

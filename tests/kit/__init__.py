"""What every live source is promised: the kit of `pipelines/http.py` and `pipelines/pull.py`, by an invented vendor."""

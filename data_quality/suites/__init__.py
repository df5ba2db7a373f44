"""What must be true, a module per table; the words are those of `data_quality/promise.py`."""

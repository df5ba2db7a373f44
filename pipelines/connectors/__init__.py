"""One file per vendor. A connector knows how its vendor is read; `extract.py` knows how anything is landed."""

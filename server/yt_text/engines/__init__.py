"""Engines turn one chunk of speech into segments. Each is one file; `catalog` names them all."""

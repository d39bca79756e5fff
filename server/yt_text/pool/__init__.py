"""Engines as processes: children that each serve one loaded model, and the pool that shares them fairly."""

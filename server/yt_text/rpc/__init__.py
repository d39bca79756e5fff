"""The contract's doors: values in, values out, every error in one form."""

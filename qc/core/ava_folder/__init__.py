"""Any folder in AVA format, ours or not: what it is, who can read it, what is wrong with it."""

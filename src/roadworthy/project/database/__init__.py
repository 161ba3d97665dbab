"""The database as the code base declares it, and which code reads and writes which of its tables by which columns."""

"""From a tree-sitter tree of Python to facts. Only `facts.extract` calls this package."""

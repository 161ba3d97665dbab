"""A reviewer that stands on the engine: a model of any provider judges what rules found and looks for what they cannot see.

It has read-only tools, must quote what it claims, and is durable: every answer is on disk before it is acted on.
"""

"""Files before anybody knows what is in them: discovery, roles, ignore patterns."""

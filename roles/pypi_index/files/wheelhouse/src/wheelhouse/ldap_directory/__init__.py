"""The company's directory: whose a login is, and which groups they are in."""

"""What a file is, found out in a process of its own, with limits."""

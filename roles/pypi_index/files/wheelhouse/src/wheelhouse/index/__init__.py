"""What is published: rows, events, the one path of a change, pages, search and repair."""

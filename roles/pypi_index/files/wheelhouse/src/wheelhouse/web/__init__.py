"""The WSGI application, and what asks it: HTTP is nowhere else."""

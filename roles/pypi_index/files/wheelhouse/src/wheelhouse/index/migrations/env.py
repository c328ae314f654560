"""What Alembic runs: on the connection that it is given, in its transaction."""

from alembic import context

from wheelhouse.index.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=False,  # the caller's transaction is the one
)
context.run_migrations()

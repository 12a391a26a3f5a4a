"""Alembic's entry: runs the migrations on the engine that `Database.migrate` hands over."""

from alembic import context
from sqlalchemy import text

from falaj.storage.tables import Base

_MIGRATION_LOCK = 704_214_311

with context.config.attributes["engine"].connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata, transactional_ddl=True)
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
        context.run_migrations()
    if connection.in_transaction():
        connection.commit()

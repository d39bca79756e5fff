"""Runs the migrations; called by Alembic."""

from alembic import context
from sqlalchemy import create_engine, make_url

from yt_text.store.tables import metadata

# Migrations run in a thread of their own with a blocking driver.
SYNC_DRIVERS = {"sqlite+aiosqlite": "sqlite"}

url = make_url(context.config.attributes["url"])
url = url.set(drivername=SYNC_DRIVERS.get(url.drivername, url.drivername))
engine = create_engine(url)
with engine.begin() as connection:
    if engine.dialect.name == "sqlite":
        # The driver begins no transaction for a change of tables: without this one, a program that is killed
        # in a migration would leave half of it, and the next start would fail at what is there already.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    # SQLite cannot alter columns in place: batch mode copies the table.
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()

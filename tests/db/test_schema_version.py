"""The version of the schema that processes check at their start."""

from alembic.script import ScriptDirectory

from dataml.db import migrations, schema


def test_version_is_that_of_the_newest_migration() -> None:
    folder = ScriptDirectory(next(iter(migrations.__path__)))
    assert folder.get_current_head() == schema.VERSION

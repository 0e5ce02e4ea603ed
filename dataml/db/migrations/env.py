"""Alembic's entry: runs on the connection that `db.schema` hands over."""

from alembic import context

from dataml.access import models as access
from dataml.audit import models as audit
from dataml.datalake import models as datalake
from dataml.dataset import models as dataset
from dataml.db.base import Base
from dataml.inference import models as inference
from dataml.jobs import models as jobs
from dataml.template import models as template
from dataml.train import models as train

# Importing the tables is what fills the metadata that autogenerate compares with.
TABLES = (access, audit, datalake, dataset, inference, jobs, template, train)

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()

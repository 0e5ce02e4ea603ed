"""Statements that see the rows of all tenants.

For the platform's own work only (logging in, the job queue, deploying predictors): whatever is done for a user goes
through a `Scope`. A test names the modules that may import this one.
"""

from sqlalchemy import delete as delete
from sqlalchemy import select as select
from sqlalchemy import update as update

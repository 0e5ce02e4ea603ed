"""The client that awaits: the same as `dataml.client.sync`, with `await` before each call."""

from dataml.client.aio.connection import Client as Client
from dataml.client.aio.connection import connect as connect
from dataml.client.aio.datasets import Dataset as Dataset
from dataml.client.aio.jobs import Job as Job
from dataml.client.aio.lake import LakeTable as LakeTable
from dataml.client.aio.models import Model as Model
from dataml.client.aio.predictors import Predictor as Predictor
from dataml.client.aio.roles import Role as Role
from dataml.client.aio.templates import Template as Template
from dataml.client.aio.tenants import Tenant as Tenant
from dataml.client.aio.users import User as User

"""Every table of the platform: importing this module fills `Base.metadata`, which migrations and transfers read."""

from dataml.access import models as access
from dataml.audit import models as audit
from dataml.datalake import models as datalake
from dataml.dataset import models as dataset
from dataml.db.base import Base
from dataml.endpoint import models as endpoint
from dataml.http.idempotency import models as idempotency
from dataml.inference import models as inference
from dataml.jobs import models as jobs
from dataml.template import models as template
from dataml.train import models as train

MODULES = (access, audit, datalake, dataset, endpoint, idempotency, inference, jobs, template, train)
METADATA = Base.metadata

"""The Serve application: what `serve_config.yaml` imports and `dataml up` runs."""

from ray.serve import Application

from dataml.endpoint.scaling import Scaling
from dataml.installation import prepare
from dataml.settings import Settings
from deployments.api import api
from deployments.autoscaling import autoscaling_config
from deployments.pool import PredictorPool


def build(args: Settings) -> Application:
    """Return the application of the platform: the API, bound to the pool that serves the models.

    `args` are the settings, from the configuration's `args` and the `DATAML_*` environment. The home is prepared first:
    the schema is migrated and the first administrator is created.

    Raises:
        StartupError: the home, the key or the database cannot be used; see `installation.prepare`.
    """
    prepare(args)
    # Replicas share no working directory, and do not need the first password.
    settings = args.model_copy(update={"home": args.root, "admin_password": None})
    scaling = Scaling(
        settings.pool_min_replicas,
        settings.pool_max_replicas,
        settings.pool_target_ongoing_requests,
        settings.upscale_delay_s,
        settings.downscale_delay_s,
    )
    pool = PredictorPool.options(autoscaling_config=autoscaling_config(scaling)).bind(settings)
    return api(settings, pool)

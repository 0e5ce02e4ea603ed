"""The table of predictors that a user has asked a deployment for."""

from sqlalchemy import String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from dataml.db.base import Base, TenantOwned, Timestamped


class Endpoint(TenantOwned, Timestamped, Base):
    """A predictor that has a deployment of its own because a user has asked for one.

    It belongs to the predictor and not to a version: the newest promoted version runs in it.

    Attributes:
        min_replicas: replicas that the deployment keeps.
        max_replicas: replicas that it may grow to.
        target_ongoing_requests, upscale_delay_s, downscale_delay_s: when it grows and shrinks, see `Scaling`; None as
            for deployments that nobody has asked for.
    """

    __tablename__ = "endpoint"
    __table_args__ = (UniqueConstraint("tenant_id", "predictor_name"),)

    predictor_name: Mapped[str] = mapped_column(String(100))
    min_replicas: Mapped[int]
    max_replicas: Mapped[int]
    target_ongoing_requests: Mapped[float | None]
    upscale_delay_s: Mapped[float | None]
    downscale_delay_s: Mapped[float | None]
    created_by: Mapped[str] = mapped_column(String(150))

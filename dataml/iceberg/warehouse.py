"""Location of the built-in warehouse: in the home, or beside the files in an object store."""

from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from dataml.settings import Settings

_FOLDER: Final = "lake"
# The default of `pyarrow.fs` for an endpoint other than Amazon's.
_DEFAULT_REGION: Final = "us-east-1"


def warehouse_properties(settings: Settings) -> dict[str, str]:
    """Return properties of a PyIceberg catalog: `warehouse`, and access to its store as in `DATAML_STORAGE_URL`."""
    if settings.storage_url is None or not settings.storage_url.startswith("s3://"):
        return {"warehouse": str(settings.lake_root / "warehouse")}
    parts = urlsplit(settings.storage_url)
    bucket = parts.netloc.rpartition("@")[2]
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    endpoint = options.get("endpoint_override")
    properties = {
        "warehouse": "/".join(filter(None, (f"s3://{bucket}", parts.path.strip("/"), _FOLDER))),
        "s3.endpoint": f"{options.get('scheme', 'https')}://{endpoint}" if endpoint else None,
        "s3.region": options.get("region") or (_DEFAULT_REGION if endpoint else None),
        "s3.force-virtual-addressing": options.get("force_virtual_addressing"),
        "s3.access-key-id": unquote(parts.username) if parts.username else None,
        "s3.secret-access-key": unquote(parts.password) if parts.password else None,
    }
    return {name: value for name, value in properties.items() if value is not None}

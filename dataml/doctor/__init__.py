"""The examination of an installation, which changes nothing: `dataml doctor`."""

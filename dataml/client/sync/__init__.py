"""The client that blocks. All of it but `runtime` is generated from `dataml.client.aio`."""

"""Requests with an `Idempotency-Key`: a repeated one gets the first answer, and makes no second thing."""

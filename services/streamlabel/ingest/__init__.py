"""ingest, the door for records.

Consumes: a foreign topic, where the settings name one. Produces: `records`. Follows: `projects`.
Serves: gRPC `IngestService`; `POST /v1/projects/{project}/records` (NDJSON or a JSON array).
"""

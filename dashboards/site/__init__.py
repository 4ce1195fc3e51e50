"""The pages of the service: what they hold, as plain functions of a path and a query."""

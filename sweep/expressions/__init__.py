"""The one expression language, for `where` in a sweep file and for queries."""

"""A finished sweep as a bundle that can be cited: data, figures, checksums, citation."""

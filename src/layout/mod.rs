//! Places: where a daemon and each client read their files, and the schemas of the configs we edit.

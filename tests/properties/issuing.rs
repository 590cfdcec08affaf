//! Every certificate that we issue is one that others accept.

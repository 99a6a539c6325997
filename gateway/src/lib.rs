//! The document interconnection gateway: wiring, HTTP and command line.

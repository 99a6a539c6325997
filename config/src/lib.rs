//! Typed settings of the gateway.

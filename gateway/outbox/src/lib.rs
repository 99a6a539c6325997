//! The durable outbox (sled) and the spool of packets.

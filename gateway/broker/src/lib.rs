//! JetStream: streams, publishing, consuming, and the supervised nats-server.

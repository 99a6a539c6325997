//! The ways out to receivers: modules of one shape.

//! Every metric once, and the set-up of logs.

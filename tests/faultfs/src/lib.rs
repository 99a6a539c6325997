//! Functions of the C library that the gateway reaches its disk and clock through, each of which fails on command.

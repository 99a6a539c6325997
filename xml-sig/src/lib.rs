//! XML Signature for one strict profile: reader, canonicalisation, verify, sign.

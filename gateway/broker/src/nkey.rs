//! Nkeys: Ed25519 keys as NATS writes them. The server knows the public key of a user only; the seed never leaves the
//! gateway, which signs what the server makes up.

use std::fmt;

use lienthong_pipeline::ports::Fault;
use nkeys::{KeyPair, KeyPairType};

use crate::PLACE;

/// A user's key. It prints as its public half.
pub struct Nkey(KeyPair);

impl Nkey {
    /// A fresh one.
    pub fn generate() -> Self {
        Self(KeyPair::new_user())
    }

    /// Reads a seed (`SU…`).
    ///
    /// # Errors
    /// It is none, or of something else than a user. The text is not repeated.
    pub fn of_seed(seed: &str) -> Result<Self, Fault> {
        let pair = KeyPair::from_seed(seed.trim()).ok();
        let pair = pair.filter(|pair| pair.key_pair_type() == KeyPairType::User);
        pair.map(Self)
            .ok_or_else(|| Fault::new(PLACE, "the nkey seed is not a user's (SU and 56 letters and digits)"))
    }

    /// What the server is to know (`U…`).
    pub fn public(&self) -> String {
        self.0.public_key()
    }

    /// What only this gateway may know. Never log it.
    ///
    /// # Errors
    /// The key has no seed.
    pub fn expose_seed(&self) -> Result<String, Fault> {
        self.0.seed().map_err(|error| Fault::new(PLACE, error))
    }
}

impl fmt::Debug for Nkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nkey({})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_read_back_and_not_repeated() {
        let made = Nkey::generate();
        let seed = made.expose_seed().expect("a seed");
        assert!(made.public().starts_with('U') && seed.starts_with("SU"));
        assert_eq!(Nkey::of_seed(&format!("{seed}\n")).expect("reads").public(), made.public());
        assert!(!format!("{made:?}").contains(&seed));
        let account = KeyPair::new_account().seed().expect("a seed");
        for wrong in [&account, &made.public(), &seed[1..].to_owned(), &String::new()] {
            let fault = Nkey::of_seed(wrong).expect_err("no user's seed");
            assert!(wrong.is_empty() || !fault.to_string().contains(wrong.as_str()), "{fault}");
        }
    }
}

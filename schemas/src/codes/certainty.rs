//! How far a row of a list is to be trusted: the annexes of the acts are not all to be had.

use std::fmt;

use serde::Serialize;

/// What a row of a code list rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// The text of an act was read.
    Act,
    /// An authority or its system uses the code so.
    Evidence,
    /// It follows from the order of the list; nobody was seen to write it.
    Inferred,
}

impl Certainty {
    /// Every weight, the best first.
    pub const ALL: [Self; 3] = [Self::Act, Self::Evidence, Self::Inferred];

    /// The word in the data: `act`, `evidence`, `inferred`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Act => "act",
            Self::Evidence => "evidence",
            Self::Inferred => "inferred",
        }
    }

    /// The weight that a word of the data names.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|certainty| certainty.as_str() == word)
    }

    /// What a clerk reads, Vietnamese and English.
    pub const fn wording(self) -> (&'static str, &'static str) {
        match self {
            Self::Act => ("theo văn bản pháp luật", "from the act"),
            Self::Evidence => ("theo thực tế sử dụng", "as used by authorities"),
            Self::Inferred => ("suy ra, chưa kiểm chứng", "inferred, not verified"),
        }
    }
}

impl fmt::Display for Certainty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

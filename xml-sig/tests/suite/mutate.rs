//! Broken and forged inputs by the thousand: nothing panics, and nothing is valid that shows other content than what
//! was signed.

use xml_sig::{Limits, ReadOptions, Verdict};

use crate::support::*;

const SEED: u64 = 0x5EED_0102;
const ROUNDS: usize = 6_000;
const PIECES: [&str; 24] = [
    "<",
    ">",
    "/>",
    "</",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "&",
    ";",
    "&#x",
    "&amp;",
    "<?p ",
    "?>",
    " xmlns='u:x'",
    " xmlns:ds=''",
    "\"",
    "'",
    "\r\n",
    "\u{FEFF}",
    "\u{1EE6}",
    "\0",
    "<ds:Object>",
    "URI=\"#a\"",
];

/// xorshift64*: small, and the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }
}

fn mutate(document: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(document.len() + 1);
    let len = random.below(40).min(document.len() - at);
    match random.below(6) {
        0 if at < document.len() => document[at] ^= 1 << random.below(8),
        1 => drop(document.drain(at..at + len)),
        2 => {
            let copy = document[at..at + len].to_vec();
            let to = random.below(document.len() + 1);
            document.splice(to..to, copy);
        }
        3 if at < document.len() => document[at] = random.below(256) as u8,
        4 => document.truncate(at.max(1)),
        _ => {
            let piece = PIECES[random.below(PIECES.len())];
            document.splice(at..at, piece.bytes());
        }
    }
}

#[test]
fn no_input_panics_and_no_other_content_is_valid() {
    println!("seed {SEED:#x}");
    let mut random = Random(SEED);
    let limits = Limits { depth: 16, attributes: 16, namespaces: 8, ..Limits::default() };
    let options = ReadOptions { limits: &limits, initial_namespaces: &[] };
    let body =
        "<h a=\"1\" b=\"&quot;\"><p:i xmlns:p=\"u:p\" p:c=\"\"></p:i>x &amp; y\n</h><b>1000</b><?q z?>";
    let originals = [
        Draft { body, ..Draft::new(ec()) }.document(),
        Draft { body, canonicalisation: element("CanonicalizationMethod", EXC), ..Draft::new(ec()) }
            .document(),
    ];
    let trust = pinned(&[ec()]);
    let (mut valid, mut judged) = (0, 0);
    for round in 0..ROUNDS {
        let original = originals[round % originals.len()].as_bytes();
        let shown = |document: &[u8], chunk| judge_with(document, chunk, &PLACES, &options, &trust);
        let (Verdict::Valid(_), right) = shown(original, 0).unwrap() else {
            panic!("the original is not valid")
        };
        let mut document = original.to_vec();
        for _ in 0..=random.below(3) {
            mutate(&mut document, &mut random);
        }
        let chunk = [0, 1, 7][random.below(3)];
        let Ok((verdict, record)) = shown(&document, chunk) else { continue };
        judged += 1;
        if let Verdict::Valid(_) = verdict {
            valid += 1;
            assert_eq!(record, right, "seed {SEED:#x} round {round}: {}", document.escape_ascii());
        }
    }
    println!("{judged} of {ROUNDS} were well-formed, {valid} of them still valid");
    assert!(judged > ROUNDS / 20 && valid > 0 && valid < judged);
}

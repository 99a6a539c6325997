//! Whether a code, as written, follows one of the standards. What else can be told from it is in `form.rs`.

/// Whether a code, as written, has the form of QCVN 102:2016 (`000.00.15.H55`), of QĐ 20/2020 article 4 (`H55.15`) or of
/// an enterprise (article 5: its registration number). Many real codes have none of them, so this only makes a finding.
pub fn follows_a_standard(written: &str) -> bool {
    let digits = |t: &str, n: usize| t.len() == n && t.bytes().all(|b| b.is_ascii_digit());
    let level_one = |t: &str| {
        t.split_at_checked(1)
            .is_some_and(|(letter, rest)| letter.bytes().all(|b| b.is_ascii_uppercase()) && digits(rest, 2))
    };
    let group = |t: &str| {
        (1..=10).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    };
    let parts: Vec<&str> = written.split('.').take(9).collect();
    let old =
        || matches!(parts[..], [v, z, y, m] if digits(v, 3) && digits(z, 2) && digits(y, 2) && level_one(m));
    let new = || {
        written.len() <= 35 && parts.len() <= 8 && level_one(parts[0]) && parts[1..].iter().all(|g| group(g))
    };
    let enterprise = || match written.split_once('-') {
        Some((number, branch)) => digits(number, 10) && digits(branch, 3),
        None => digits(written, 10),
    };
    old() || new() || enterprise()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_from_look_alikes() {
        for code in ["000.00.15.H55", "H55", "H37.02.02", "H37.DN.001", "0100109106", "0100109106-001"] {
            assert!(follows_a_standard(code), "{code}");
        }
        for code in [
            "",
            "h55",
            "vxp.saas.02",
            "28.22.H17",
            "001.00.20.TT2",
            "999.010.01.H22",
            "00.00.008.K99",
            "H555",
            "H55..1",
            "H55.",
            "0100109106-01",
            "đ55",
            "H55.1.2.3.4.5.6.7.8",
            "H55.ABCDEFGHIJK",
        ] {
            assert!(!follows_a_standard(code), "{code}");
        }
    }
}

//! The key that a mistyped one was probably meant to be.

/// Longest key compared, in bytes: the comparison is quadratic.
const KEY_BYTES_MAX: usize = 64;

/// The known key that is closest, if it is close: one slip in every three letters, and at most three.
pub(crate) fn closest<'k>(key: &str, known: &'k [String]) -> Option<&'k str> {
    if key.len() > KEY_BYTES_MAX {
        return None;
    }
    let allowed = key.chars().count().div_ceil(3).min(3);
    let ranked = known.iter().map(|name| (distance(key, name), name.as_str()));
    ranked.filter(|(slips, _)| *slips <= allowed).min().map(|(_, name)| name)
}

/// Letters to insert, remove, change or swap with the next one (optimal string alignment).
fn distance(one: &str, two: &str) -> usize {
    let (one, two): (Vec<char>, Vec<char>) = (one.to_lowercase().chars().collect(), two.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=two.len()).collect();
    for i in 1..=one.len() {
        let mut row = vec![i; two.len() + 1];
        for j in 1..=two.len() {
            let change = above[j - 1] + usize::from(one[i - 1] != two[j - 1]);
            row[j] = change.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && one[i - 1] == two[j - 2] && one[i - 2] == two[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[two.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_counted() {
        for (one, two, slips) in [
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "abc", 0),
            ("acb", "abc", 1),
            ("kitten", "sitting", 3),
            ("A", "a", 0),
        ] {
            assert_eq!(distance(one, two), slips, "{one} {two}");
        }
    }

    #[test]
    fn only_a_close_key_is_suggested() {
        let known = ["address", "tls_cert", "tls_key"].map(str::to_owned);
        assert_eq!(closest("adress", &known), Some("address"));
        assert_eq!(closest("tls_cret", &known), Some("tls_cert"));
        assert_eq!(closest("port", &known), None);
        assert_eq!(closest(&"a".repeat(KEY_BYTES_MAX + 1), &known), None);
    }
}

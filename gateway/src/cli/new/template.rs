//! The file that `lienthong new --print-template` prints.

/// Every field of a document packet with what it means. What is needed has a value; what may be left out is commented.
pub(super) const TEMPLATE: &str = include_str!("template.toml");

#[cfg(test)]
mod tests {
    use lienthong_schemas::edxml::DocumentPacket;

    use super::TEMPLATE;

    #[test]
    fn the_template_is_a_packet_with_and_without_its_comments() {
        let packet: DocumentPacket = toml::from_str(TEMPLATE).expect("the template as it stands");
        assert_eq!(packet.check(), []);
        let whole: String = TEMPLATE
            .lines()
            .map(|line| line.strip_prefix('#').filter(|field| !field.starts_with(' ')).unwrap_or(line))
            .map(|line| format!("{line}\n"))
            .collect();
        let packet: DocumentPacket = toml::from_str(&whole).expect("with every field");
        assert_eq!(packet.check(), []);
        let empty = format!("{packet:?}");
        for nothing in ["\"\"", "[]", "None"] {
            assert!(!empty.contains(nothing), "a field is not in the template: {empty}");
        }
    }
}

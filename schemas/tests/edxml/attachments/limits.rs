//! What an archive may cost: each limit at its value and one past it.

use lienthong_schemas::edxml::{EdxmlLimits, Envelope, Packing};
use lienthong_schemas::rejections::Rejection;

use super::archives::{Archive, DEFLATED, FORMS, JAR, STORED, jar, one};
use super::{of_attachments, packet, read_within};

const DATA: &str = "AttachmentEncoded/Attachment[1]/ContentTransferEncoded";

fn within(name: &str, bytes: &[u8], limits: &EdxmlLimits) -> Result<Envelope, Rejection> {
    read_within(&packet(name, "", bytes), limits)
}

fn refused(name: &str, bytes: &[u8], limits: &EdxmlLimits) -> (&'static str, String) {
    let rejection = within(name, bytes, limits).map(drop).expect_err("a refusal");
    assert_eq!(rejection.field.as_deref(), Some(DATA));
    (rejection.code.row().name, rejection.detail.unwrap_or_default())
}

#[test]
fn archives_stand_in_each_other_up_to_a_limit() {
    let limits = EdxmlLimits::default();
    for wrap in [jar, |content: &[u8]| one(content, STORED)] {
        let nested = |levels| (0..levels).fold(b"text".to_vec(), |content, _| wrap(&content));
        let three = within("a.txt", &nested(3), &limits).expect("three levels");
        assert_eq!(three.claimed_content().attachments[0].packing, Packing::Zipped(3));
        for name in ["a.txt", "a.zip", "a.docx"] {
            let told = refused(name, &nested(4), &limits);
            assert_eq!(told, ("ARCHIVE_NESTED", "a ZIP in more than 3 others".to_owned()));
        }
        let none = EdxmlLimits { archive_levels: 0, ..limits.clone() };
        assert_eq!(refused("a.txt", &nested(1), &none).0, "ARCHIVE_NESTED");
    }
}

#[test]
fn an_archive_has_so_many_files() {
    let limits = EdxmlLimits::default();
    let of = |count: usize| {
        (0..count).fold(Archive::default(), |a, n| a.with(&n.to_string(), b"", STORED)).finish()
    };
    let most = usize::try_from(limits.archive_entries).expect("a small number");
    let whole = within("a.zip", &of(most), &limits).expect("as many as may be");
    assert_eq!(whole.claimed_content().attachments[0].packing, Packing::Bare);
    let told = refused("a.zip", &of(most + 1), &limits);
    assert_eq!(told, ("ARCHIVE_ENTRIES", "10001 files, more than 10000".to_owned()));
    assert_eq!(refused("a.txt", &jar(&of(most + 1)), &limits).0, "ARCHIVE_ENTRIES", "in another");

    let liar = |entries| Archive { wide: true, entries_told: Some(entries), ..Archive::default() };
    let wide = |entries| liar(entries).with("1", b"x", JAR).finish();
    for entries in [2, 20_000, 1 << 40] {
        let left = within("a.zip", &wide(entries), &limits).expect("a lie is damage");
        assert_eq!(of_attachments(&left), ["ATTACHMENT_ZIP_UNREADABLE"], "{entries}");
    }
    let encrypted = super::archives::Form { flags: 1, ..STORED };
    let many = Archive { wide: true, ..Archive::default() };
    let locked = (0..=most).fold(many, |archive, _| archive.with("", b"", encrypted));
    let left = within("a.zip", &locked.finish(), &limits).expect("what is not read costs nothing");
    assert_eq!(of_attachments(&left), ["ATTACHMENT_ZIP_UNREADABLE"]);
}

#[test]
fn what_comes_out_is_not_out_of_proportion() {
    let limits = EdxmlLimits::default();
    let free = usize::try_from(limits.archive_ratio_from).expect("a small number");
    for form in FORMS.iter().filter(|f| f.method == 8) {
        let zeros = |count| one(&vec![0; count], *form);
        within("a.txt", &zeros(free), &limits).expect("as much as is free");
        let told = refused("a.txt", &zeros(free + 1), &limits);
        assert_eq!(told, ("ARCHIVE_RATIO", "more than 200 times its packed size".to_owned()), "{form:?}");
        assert_eq!(refused("a.zip", &zeros(free + 1), &limits).0, "ARCHIVE_RATIO", "whatever its name");
    }
    // Zeros at the end of what does not shrink: the end of the data is where the ratio is highest.
    let noise: Vec<u8> =
        (0_u32..2_000).flat_map(|n| n.wrapping_mul(0x9E37_79B9).rotate_left(7).to_le_bytes()).collect();
    let content = |zeros| [noise.clone(), vec![0; zeros]].concat();
    let zeros = 200 * noise.len() / 2;
    let archive = one(&content(zeros), DEFLATED);
    let ratio = |of: &[u8]| {
        let data = of.windows(4).position(|w| w == b"PK\x01\x02").expect("a directory");
        u32::try_from(content(zeros).len().div_ceil(data)).expect("a small number")
    };
    let least = EdxmlLimits { archive_ratio: ratio(&archive), archive_ratio_from: 1 << 16, ..limits };
    within("a.txt", &archive, &least).expect("the ratio that it has");
    let less = EdxmlLimits { archive_ratio: least.archive_ratio - 1, ..least };
    assert_eq!(refused("a.txt", &archive, &less).0, "ARCHIVE_RATIO");
}

#[test]
fn an_archive_in_an_archive_does_not_add_to_the_ratio() {
    let limits = EdxmlLimits { archive_ratio: 2_000, archive_ratio_from: 1 << 16, ..EdxmlLimits::default() };
    let inner = one(&vec![0; 1_000_000], DEFLATED);
    within("a.txt", &inner, &limits).expect("within the ratio");
    let twice = one(&inner, DEFLATED);
    assert!(1_000_000 > 2_000 * twice.len(), "both levels together are not: {}", twice.len());
    assert_eq!(refused("a.txt", &twice, &limits).0, "ARCHIVE_RATIO");
}

#[test]
fn what_comes_out_of_all_archives_is_limited() {
    let content = b"0123456789".repeat(1_000);
    let limits = |archive_bytes| EdxmlLimits { archive_bytes, ..EdxmlLimits::default() };
    within("a.txt", &jar(&content), &limits(10_000)).expect("as much as may be");
    let told = refused("a.txt", &jar(&content), &limits(9_999));
    assert_eq!(told, ("ARCHIVE_TOO_LARGE", "more than 9999 bytes out of all archives together".to_owned()));

    let twice = super::built(
        super::letter_with_none().attach("a.txt", "", std::io::Cursor::new(jar(&content))).attach(
            "b.txt",
            "",
            std::io::Cursor::new(jar(&content)),
        ),
    );
    read_within(&twice, &limits(20_000)).map(drop).expect("both together");
    let rejection = read_within(&twice, &limits(19_999)).map(drop).expect_err("both together");
    assert_eq!(rejection.code.row().name, "ARCHIVE_TOO_LARGE");
    assert_eq!(rejection.field.as_deref(), Some("AttachmentEncoded/Attachment[2]/ContentTransferEncoded"));
    // What is stored does not grow.
    within("a.txt", &one(&content, STORED), &limits(0)).expect("nothing was inflated");
}

//! `docs/findings.md` from the list of findings, Vietnamese first.

use std::fmt::Write as _;

use super::finding::Finding;

const HEAD: &str = "\
# Điều cần lưu ý trong gói tin / Findings

Trang này được sinh tự động từ `schemas/src/edxml/findings_table.rs`; không sửa bằng tay.
Tạo lại: `RENDER=1 cargo test -p lienthong-schemas --test findings_page`.

This page is made from the list in `schemas/src/edxml/findings_table.rs`; do not edit it by hand.
Make it again with `RENDER=1 cargo test -p lienthong-schemas --test findings_page`.

Gói tin có các điểm này vẫn được nhận và chuyển nguyên vẹn. Cảnh báo: nên có người xem lại, vì nội dung có thể không đúng
ý bên gửi hoặc nơi nhận đọc khác đi. Lưu ý: khác thường nhưng vô hại. Lỗi khiến gói tin bị từ chối nằm ở
[rejections.md](rejections.md).

A packet with these is accepted and carried unchanged. A warning: somebody should look, for what the packet says may not
be what was meant, or a receiver may read it differently. A note: odd and harmless. Errors, which refuse a packet, are in
[rejections.md](rejections.md).

| Mã / Code | Mức / Weight | Nghĩa / Meaning |
|---|---|---|
";

/// The documentation page of the findings, in Markdown, in the order of the list.
pub fn render_findings() -> String {
    let mut page = HEAD.to_owned();
    for finding in Finding::ALL {
        let ((weight_vi, weight_en), (vi, en)) = (finding.severity().wording(), finding.wording());
        // Writing to a String cannot fail.
        let _ok = writeln!(page, "| `{}` | {weight_vi} / {weight_en} | {vi} / {en} |", finding.code());
    }
    page
}

//! `docs/rejections.md` from the table, Vietnamese first.

use std::fmt::Write as _;

use super::RejectionCode;

const HEAD: &str = "\
# Lý do từ chối / Reasons for refusal

Trang này được sinh tự động từ bảng trong `schemas/src/rejections/table.rs`; không sửa bằng tay.
Tạo lại: `RENDER=1 cargo test -p lienthong-schemas --test rejections_page`.

This page is made from the table in `schemas/src/rejections/table.rs`; do not edit it by hand.
Make it again with `RENDER=1 cargo test -p lienthong-schemas --test rejections_page`.

Bên gửi phải sửa rồi gửi lại; hệ thống không tự gửi lại văn bản bị từ chối.
The sender must change something and send again; a refused document is never retried by the gateway.

| Mã / Code | HTTP | SDK | Tiêu đề / Title |
|---|---|---|---|
";

/// The documentation page of the table, in Markdown. Each code has an anchor with the name of its slug.
pub fn render_markdown() -> String {
    let mut page = HEAD.to_owned();
    for code in RejectionCode::ALL {
        let row = code.row();
        // Writing to a String cannot fail.
        let _ok = writeln!(
            page,
            "| [`{}`](#{}) | {} | {} | {} / {} |",
            row.name,
            code.slug(),
            row.status,
            dash_if_empty(row.sdk),
            row.title_vi,
            row.title_en
        );
    }
    for code in RejectionCode::ALL {
        let row = code.row();
        let _ok = write!(
            page,
            "\n<a id=\"{slug}\"></a>\n\n## {name}\n\n**{title_vi}.** {rule_vi}\n\n**{title_en}.** {rule_en}\n\n\
             HTTP {status} · SDK {sdk} · `{label}`\n",
            slug = code.slug(),
            name = row.name,
            title_vi = row.title_vi,
            rule_vi = row.rule_vi,
            title_en = row.title_en,
            rule_en = row.rule_en,
            status = row.status,
            sdk = dash_if_empty(row.sdk),
            label = row.label,
        );
    }
    page
}

fn dash_if_empty(text: &'static str) -> &'static str {
    if text.is_empty() { "–" } else { text }
}

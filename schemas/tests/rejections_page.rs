//! `docs/rejections.md` is what the table renders to.

use std::path::Path;

use lienthong_schemas::rejections::render_markdown;

#[test]
fn the_page_on_rejections_says_what_the_table_says() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rejections.md");
    let rendered = render_markdown();
    if std::env::var_os("RENDER").is_some() {
        std::fs::write(&file, &rendered).expect("docs/rejections.md is writable");
    }
    let page = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        page == rendered,
        "docs/rejections.md is not what the table says; make it again with \
         RENDER=1 cargo test -p lienthong-schemas --test rejections_page"
    );
}
